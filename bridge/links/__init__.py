"""Sockets behind one shape, and what waits for them: the phone, the model, other processes of ours."""
