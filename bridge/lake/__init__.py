"""The lake: the records of all hosts in one DuckLake, which each host writes to, and everybody can ask."""
