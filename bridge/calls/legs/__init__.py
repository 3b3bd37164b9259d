"""The two sides of one call, each with its outbox and its socket; and who only listens: a shadow, and people."""
