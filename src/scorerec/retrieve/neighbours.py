"""Exact nearest behaviours by inner product (Eq. 4), in memory that does not grow with the corpus."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.errors import ArtifactError, DataError
from scorerec.core.tables import BEHAVIOURS, NEIGHBOURS, vectors_schema

# 256 x 16,384 similarities of 8 bytes are 32 MiB.
_QUERY_CHUNK = 256
_CORPUS_CHUNK = 16_384

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class Visibility(NamedTuple):
    """When behaviours are visible: ``valid_from <= snapshot < valid_to``.

    Attributes:
        snapshot: of each query, UTC seconds, (Q,) int64.
        valid_from: of each behaviour, UTC seconds, (N,) int64.
        valid_to: of each behaviour, UTC seconds, (N,) int64.
    """

    snapshot: npt.ArrayLike
    valid_from: npt.ArrayLike
    valid_to: npt.ArrayLike


def top_k(
    queries: npt.ArrayLike,
    corpus: npt.ArrayLike,
    k: int,
    *,
    query_owner: npt.ArrayLike,
    corpus_owner: npt.ArrayLike,
    visible: Visibility | None = None,
) -> tuple[Integers, Floats]:
    """Return the ``k`` behaviours with the largest inner product for each query; exact.

    Similarities are computed in double precision and rounded to single: so equal vectors are equally similar,
    wherever they stand, and the one that stands first in the corpus goes first.

    Args:
        queries: (Q, d) floats.
        corpus: (N, d) floats.
        k: how many, at least 1.
        query_owner: user of each query, (Q,); behaviours of the same user are left out.
        corpus_owner: user of each behaviour, (N,).
        visible: which behaviours a query may see; None: all.

    Returns:
        Positions in the corpus (Q, k) int64, best first, and similarities (Q, k) float32. Where a query has too
        few behaviours to choose from, the rest is -1 and minus infinity.

    Raises:
        DataError: shapes do not fit, or a vector holds something that is not a number.

    >>> corpus = [[3, 0], [1, 5], [2, 0]]
    >>> top_k([[1, 0]], corpus, 2, query_owner=["ann"], corpus_owner=["ann", "bob", "eve"])[0]
    array([[2, 1]])
    """
    query_matrix, corpus_matrix = _matrix(queries, "queries"), _matrix(corpus, "corpus")
    if query_matrix.shape[1] != corpus_matrix.shape[1] or k < 1:
        raise DataError(
            f"neighbours: wanted vectors of one length and k >= 1, got queries {query_matrix.shape}, "
            f"corpus {corpus_matrix.shape}, k = {k}"
        )
    owners = _owners(query_owner, corpus_owner, len(query_matrix), len(corpus_matrix))
    times = _times(visible, len(query_matrix), len(corpus_matrix))
    indices = np.full((len(query_matrix), k), -1, np.int64)
    similarity = np.full((len(query_matrix), k), -np.inf, np.float32)
    for start in range(0, len(query_matrix), _QUERY_CHUNK):
        asked = slice(start, start + _QUERY_CHUNK)
        for first in range(0, len(corpus_matrix), _CORPUS_CHUNK):
            searched = slice(first, first + _CORPUS_CHUNK)
            found = (query_matrix[asked] @ corpus_matrix[searched].T).astype(np.float32)  # (q, n)
            found[owners[0][asked, None] == owners[1][None, searched]] = -np.inf
            if times is not None:
                snapshot = times[0][asked, None]
                found[(snapshot < times[1][None, searched]) | (snapshot >= times[2][None, searched])] = -np.inf
            _merge(indices[asked], similarity[asked], found, first)
    return indices, similarity


def find_neighbours(vectors: pa.Table, behaviours: pa.Table, n_neighbours: int) -> pa.Table:
    """Return NEIGHBOURS: for each behaviour, those of other users whose vectors are most similar (Eq. 4).

    Args:
        vectors: behaviour_id and vector, one row per behaviour, in any order.
        behaviours: BEHAVIOURS; ties go by their order.
        n_neighbours: K_c. A behaviour with fewer others has fewer neighbours.

    Raises:
        ArtifactError: a behaviour has no vector.
        DataError: a vector holds something that is not a number.
    """
    checked = BEHAVIOURS.check(behaviours)
    matrix = _aligned(vectors, checked["behaviour_id"])
    users = np.array(checked["user_id"].to_pylist(), dtype=object)
    indices, similarity = top_k(matrix, matrix, n_neighbours, query_owner=users, corpus_owner=users)
    row, rank = np.nonzero(indices >= 0)
    ids = checked["behaviour_id"].combine_chunks()
    return NEIGHBOURS.check(
        pa.table(
            {
                "behaviour_id": ids.take(pa.array(row)),
                "rank": pa.array(rank + 1, pa.int32()),
                "neighbour_id": ids.take(pa.array(indices[row, rank])),
                "similarity": pa.array(similarity[row, rank]),
            }
        )
    )


def _merge(indices: Integers, similarity: Floats, found: Floats, first: int) -> None:
    """Put the best of ``found`` (q, n), which begin at ``first`` in the corpus, among the best so far."""
    k = indices.shape[1]
    values = np.concatenate([similarity, found], axis=1)  # (q, k + n): earlier positions stand first
    places = np.concatenate([indices, np.broadcast_to(np.arange(found.shape[1]) + first, found.shape)], axis=1)
    kth = np.partition(values, -k, axis=1)[:, -k, None]
    # Everything from the k-th value up, ties included, sorted within its row; -inf is nobody.
    row, column = np.nonzero((values >= kth) & (values > -np.inf))
    best = np.lexsort((column, -values[row, column], row))
    row, column = row[best], column[best]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    row, column, rank = row[rank < k], column[rank < k], rank[rank < k]
    indices[row, rank] = places[row, column]
    similarity[row, rank] = values[row, column]


def _matrix(vectors: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    matrix = np.asarray(vectors, np.float64)
    if matrix.ndim != 2:
        raise DataError(f"neighbours: wanted {name} of shape (N, d), got {matrix.shape}")
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise DataError(f"neighbours: {len(bad)} {name} are not finite numbers, the first is row {bad[0]}")
    return matrix


def _owners(
    query_owner: npt.ArrayLike, corpus_owner: npt.ArrayLike, n_queries: int, n_corpus: int
) -> tuple[Integers, Integers]:
    """Number the users, so that comparing two costs one integer comparison."""
    query, corpus = np.asarray(query_owner), np.asarray(corpus_owner)
    if query.shape != (n_queries,) or corpus.shape != (n_corpus,):
        raise DataError(
            f"neighbours: wanted one owner per vector ({n_queries} and {n_corpus}), "
            f"got shapes {query.shape} and {corpus.shape}"
        )
    numbers = np.unique(np.concatenate([query, corpus]), return_inverse=True)[1].astype(np.int64)
    return numbers[:n_queries], numbers[n_queries:]


def _times(visible: Visibility | None, n_queries: int, n_corpus: int) -> tuple[Integers, Integers, Integers] | None:
    if visible is None:
        return None
    snapshot, valid_from, valid_to = (np.asarray(part, np.int64) for part in visible)
    if snapshot.shape != (n_queries,) or valid_from.shape != (n_corpus,) or valid_to.shape != (n_corpus,):
        raise DataError(
            f"neighbours: wanted {n_queries} snapshots and {n_corpus} times of validity, "
            f"got shapes {snapshot.shape}, {valid_from.shape}, {valid_to.shape}"
        )
    return snapshot, valid_from, valid_to


def _aligned(vectors: pa.Table, behaviour_ids: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """Return the vectors in the order of the behaviours, (N, d)."""
    kind = vectors.schema.field("vector").type if "vector" in vectors.column_names else None
    if not isinstance(kind, pa.FixedSizeListType):
        raise ArtifactError(f"table vectors: wanted a column 'vector' of fixed-size lists, got {kind}")
    dimension = kind.list_size
    checked = vectors_schema("behaviour_id", dimension).check(vectors)
    position = {name: row for row, name in enumerate(checked["behaviour_id"].to_pylist())}
    missing = [name for name in behaviour_ids.to_pylist() if name not in position]
    if missing:
        raise ArtifactError(
            f"table vectors: {len(missing)} behaviours have no vector, the first is {missing[0]!r}; "
            "encode the behaviours again"
        )
    flat = checked["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    rows = [position[name] for name in behaviour_ids.to_pylist()]
    return np.asarray(flat, np.float32).reshape(-1, dimension)[rows]
