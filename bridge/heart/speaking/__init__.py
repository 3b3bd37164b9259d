"""What is known of a caller who speaks while the agent does: for how long, in which words, over what. Pure, int ms."""
