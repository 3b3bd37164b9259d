"""Object storage (S3): what its objects are called, and how they are read, put, listed and deleted."""
