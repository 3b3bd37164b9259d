"""The composition root, and the daemon as a service of its machine."""
