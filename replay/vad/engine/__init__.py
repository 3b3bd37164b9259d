"""Turn detection on paper: the state machine that stands for server_vad, what it heard, who does the work."""
