"""Several hosts behind one public URL: which of them has a call, what each sees of the others; nothing is shared."""
