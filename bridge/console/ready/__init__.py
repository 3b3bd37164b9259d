"""What a call's page asks for beside itself, made ready from the tape: its sound and its lines."""
