"""The gate: the same callers against several variants, and whether one got worse."""
