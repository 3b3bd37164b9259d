"""Callers who ring again: recorded ones, and what they said to whom."""
