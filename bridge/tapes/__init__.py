"""The tape: its format, who writes it and what is left out on a full disk, and how a torn or odd one is read."""
