"""The heart: what happens to a call, what it may ask for, and every decision. Pure: no wire, clock or I/O."""
