"""For tests of one's own agent: pytest's fixture, and the call it makes."""
