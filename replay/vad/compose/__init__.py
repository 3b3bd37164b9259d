"""Calls composed of known parts, so that every turn in them is known exactly."""
