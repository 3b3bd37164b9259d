"""Work spread over cores, or over the machines of a Dask scheduler: one core's results, in one core's order."""
