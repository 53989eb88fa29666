"""Step 1 of the recommendation: the K_e users whose behaviours are nearest to each query."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import (
    BEHAVIOUR_ID,
    ITEM_IDS,
    QUERY_ID,
    RANK,
    SIMILARITY,
    SNAPSHOT,
    USER_ID,
    VALID_FROM,
    VALID_TO,
)
from scorerec.core.tables import BEHAVIOURS, CANDIDATES, QUERIES
from scorerec.retrieve.index import BehaviourIndex
from scorerec.retrieve.neighbours import Visibility, top_k
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
    rows = [row for row in QUERIES.check(queries).to_pylist() if row[ITEM_IDS]]
    query_ids = [row[QUERY_ID] for row in rows]
    if not rows:
        return CANDIDATES.empty()
    hits = index.search(
        vector_matrix(query_vectors, QUERY_ID, query_ids),
        n_candidates,
        owners=[row[USER_ID] for row in rows],
        snapshots=[row[SNAPSHOT] for row in rows],
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


def search_once(
    queries: pa.Table, query_vectors: pa.Table, behaviours: pa.Table, behaviour_vectors: pa.Table, n_candidates: int
) -> pa.Table:
    """Find what ``retrieve_candidates`` finds, without an index that outlives the search (CANDIDATES).

    Args:
        queries: QUERIES.
        query_vectors: keyed by query_id.
        behaviours: BEHAVIOURS.
        behaviour_vectors: of the same kind, keyed by behaviour_id.
        n_candidates: how many are found.
    """
    asked = QUERIES.check(queries)
    asked = asked.filter(pc.greater(pc.list_value_length(asked[ITEM_IDS]), 0))
    known = BEHAVIOURS.check(behaviours)
    query_ids, behaviour_ids = asked[QUERY_ID].to_pylist(), known[BEHAVIOUR_ID].to_pylist()
    if not query_ids or not behaviour_ids:
        return CANDIDATES.empty()
    places, similarity = top_k(
        vector_matrix(query_vectors, QUERY_ID, query_ids),
        vector_matrix(behaviour_vectors, BEHAVIOUR_ID, behaviour_ids),
        n_candidates,
        query_owner=asked[USER_ID].to_pylist(),
        corpus_owner=known[USER_ID].to_pylist(),
        visible=Visibility(*(column.to_numpy() for column in (asked[SNAPSHOT], known[VALID_FROM], known[VALID_TO]))),
    )
    row, column = np.nonzero(places >= 0)
    return CANDIDATES.check(
        pa.table(
            {
                QUERY_ID: pa.array(query_ids, pa.string()).take(pa.array(row)),
                RANK: pa.array(column + 1, pa.int32()),
                BEHAVIOUR_ID: pa.array(behaviour_ids, pa.string()).take(pa.array(places[row, column])),
                SIMILARITY: pa.array(similarity[row, column]),
            }
        )
    )
