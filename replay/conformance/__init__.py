"""How any bridge treats its callers: it is rung, listened to from both sides, and gets a report card."""
