"""Step 1 of the recommendation: the K_e users whose behaviours are nearest to each query."""

from __future__ import annotations

import pyarrow as pa

from scorerec.core.tables import CANDIDATES, QUERIES
from scorerec.retrieve.index import BehaviourIndex
from scorerec.retrieve.vectors import vector_matrix


def retrieve_candidates(
    queries: pa.Table, query_vectors: pa.Table, index: BehaviourIndex, n_candidates: int
) -> pa.Table:
    """Find the most similar behaviours of other users, among those that a query's snapshot may see.

    A query without any history gets no candidates: nobody is like a user of whom nothing is known.

    Args:
        queries: QUERIES.
        query_vectors: the retriever's, keyed by query_id.
        index: the behaviours, with vectors of the same retriever.
        n_candidates: K_e.

    Returns:
        CANDIDATES, in the order of ``queries``; fewer than ``n_candidates`` rows where fewer may be seen.

    Raises:
        DataError: a query has no vector.
        ArtifactError: the vectors do not fit the index.
    """
    rows = [row for row in QUERIES.check(queries).to_pylist() if row["item_ids"]]
    query_ids = [row["query_id"] for row in rows]
    if not rows:
        return CANDIDATES.empty()
    hits = index.search(
        vector_matrix(query_vectors, "query_id", query_ids),
        n_candidates,
        owners=[row["user_id"] for row in rows],
        snapshots=[row["snapshot"] for row in rows],
    )
    found = [
        (query_id, rank, hit.behaviour_id, hit.similarity)
        for query_id, group in zip(query_ids, hits, strict=True)
        for rank, hit in enumerate(group, start=1)
    ]
    names = CANDIDATES.columns.names
    return CANDIDATES.check(
        pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in found], CANDIDATES.columns)
    )
