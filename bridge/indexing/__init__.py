"""The process that closes tapes and puts them into the database, and the daemon's side of it."""
