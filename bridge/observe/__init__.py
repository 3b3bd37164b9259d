"""The running daemon seen from outside: metrics, traces, the admin address."""
