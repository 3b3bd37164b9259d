"""The pages for people at the admin address: calls that go on, calls that were, how they went; and what may be done."""
