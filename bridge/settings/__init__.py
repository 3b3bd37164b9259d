"""What the tables of an agent may say, one module a table or two: values, checked once, and what is wrong with them."""
