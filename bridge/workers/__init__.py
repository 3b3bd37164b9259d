"""Where calls are carried: in this process, or in a pool of worker processes."""
