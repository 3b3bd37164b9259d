"""A report card as it is shown: on the screen, as a page, as JUnit for CI."""
