"""What the processes of a bridge read that is led to the stand-in; nothing here imports it."""
