"""How long calls are kept, how they are erased, and the proof that they are gone."""
