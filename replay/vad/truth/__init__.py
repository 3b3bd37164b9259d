"""What a caller really did in a recording, and where that knowledge comes from."""
