"""Who is useful: negative sampling (Eq. 11) and the self-assessing reranker (Eq. 10, 12)."""
