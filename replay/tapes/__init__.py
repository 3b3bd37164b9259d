"""Working on tapes: playing them through today's heart, rewriting, scrubbing, exporting, finding them."""
