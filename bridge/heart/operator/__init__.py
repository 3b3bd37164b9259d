"""What somebody at the daemon may ask of a call that goes on: events, and what is decided on them. Pure."""
