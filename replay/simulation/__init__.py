"""Whole calls without an event loop: both stand-ins and the real heart on one computed clock."""
