"""What is told of a Comparison: findings, claims, tables, pictures, the page."""
