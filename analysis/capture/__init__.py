"""A run over texts -> arrays: what its heads do, in memory that does not grow with the text."""
