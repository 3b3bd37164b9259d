"""Who may come in: the listening port, HTTP routes, signatures, media sockets."""
