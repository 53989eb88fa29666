"""Who is similar: exact neighbours (Eq. 4), the collaborative retriever (Eq. 5-6) and its index."""
