"""The VAD lab: turn detection tried on recorded callers, offline."""
