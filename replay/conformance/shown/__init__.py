"""A report card as files: a page for people, JUnit for CI."""
