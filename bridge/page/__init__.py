"""One call as a page: all its facts as one value, its sound as the caller heard it, and the page that shows both."""
