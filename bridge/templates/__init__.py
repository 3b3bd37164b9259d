"""What `bridge init` writes into an empty folder."""
