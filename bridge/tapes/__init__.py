"""The tape: its format, who writes it, and how a torn or odd one is read."""
