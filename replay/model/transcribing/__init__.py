"""What the caller said as text: how it is written down, and sessions that do nothing else."""
