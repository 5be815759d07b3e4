"""Texts whose words are annotated, and attention between those words."""
