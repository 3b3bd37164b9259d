"""How commands print, and how they are found and loaded."""
