"""Ratings and items of any source become interactions, items, and what can be retrieved and asked."""
