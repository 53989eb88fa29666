"""How good the scores are: metrics, their uncertainty, comparisons of methods, and the report."""
