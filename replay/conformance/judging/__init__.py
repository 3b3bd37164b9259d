"""What each call says about each check: one module judges each kind. It makes no call."""
