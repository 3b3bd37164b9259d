"""Sound files, and the codes of G.711 in which a telephone speaks; no calls."""
