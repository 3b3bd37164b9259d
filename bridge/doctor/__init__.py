"""`bridge doctor`: everything an operator gets wrong, looked at at once."""
