"""The database: records made from tapes, and DuckDB in which they can be asked for. The daemon never imports DuckDB."""
