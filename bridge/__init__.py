"""A phone bridge."""
