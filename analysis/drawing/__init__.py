"""Pictures of a comparison, as matplotlib figures."""
