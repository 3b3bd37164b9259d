"""Text: made valid where it enters, made harmless where it is shown, worded for people."""
