"""Exact nearest behaviours by inner product (Eq. 4), in memory that does not grow with the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.columns import BEHAVIOUR_ID, NEIGHBOUR_ID, RANK, SIMILARITY, USER_ID, VECTOR
from scorerec.core.errors import ArtifactError, DataError
from scorerec.core.tables import BEHAVIOURS, NEIGHBOURS, vectors_schema

# 256 x 16,384 similarities of 4 bytes are 16 MiB.
_QUERY_CHUNK = 256
_CORPUS_CHUNK = 16_384
_ROUNDING = 2.0**-24  # of single precision
_STRANGER, _GONE = -1, -2  # numbers of users who own nothing in the corpus, and of the owner of what left it

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
_Chunk = tuple[int, Floats, npt.NDArray[np.bool_]]


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


class SearchSpace:
    """Behaviours that are searched again and again, looked at once.

    Similarities are those of double precision, rounded to single: so equal vectors are equally similar, wherever
    they stand, and the one that stands first goes first. Single precision, twice as fast, only finds out who cannot
    be among the best: its error is bounded by the lengths of the vectors, and everybody within it is computed again.

    Args:
        vectors: (N, d) floats, kept as float32; an array that is float32 already is not copied.
        owners: user of each behaviour, (N,).
        valid: valid_from and valid_to of each behaviour, UTC seconds, (N,) int64 each; None: always visible.

    Raises:
        DataError: shapes do not fit, or a vector holds something that is not a number.
    """

    def __init__(
        self,
        vectors: npt.ArrayLike,
        owners: npt.ArrayLike,
        valid: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ):
        matrix, lengths = _matrix(vectors, "corpus")
        self._blocks = [matrix]
        self._longest = float(lengths.max(initial=0))
        self._numbers: dict[object, int] = {}  # users are compared as integers
        self._owners = self._numbered(owners, len(matrix))
        self._valid = valid and tuple(_seconds(part, len(matrix), "times of validity") for part in valid)

    def changed(self, gone: npt.ArrayLike, later: SearchSpace) -> SearchSpace:
        """Return the space after a change; what stays is not copied, and this space stays as it is.

        Args:
            gone: positions of behaviours that nobody sees any more.
            later: behaviours that come behind those that are here, with times of validity if these have some.
        """
        new = copy(self)
        new._blocks = [self._blocks[0], np.concatenate([*self._blocks[1:], *later._blocks])]
        new._longest = max(self._longest, later._longest)
        names = np.array([*later._numbers, None], object)[later._owners]  # numbered in order of the dictionary
        new._owners = np.concatenate([self._owners, self._numbered(names, len(names))])
        new._owners[np.asarray(gone, np.int64)] = _GONE
        if self._valid is not None and later._valid is not None:
            new._valid = tuple(np.concatenate(pair) for pair in zip(self._valid, later._valid, strict=True))
        return new

    def _numbered(self, owners: npt.ArrayLike, count: int) -> Integers:
        named = _column(owners, count, "owners of the corpus").tolist()
        return np.array([self._numbers.setdefault(name, len(self._numbers)) for name in named], np.int64)

    def top_k(
        self, queries: npt.ArrayLike, k: int, owners: npt.ArrayLike, snapshots: npt.ArrayLike | None = None
    ) -> tuple[Integers, Floats]:
        """Return the ``k`` behaviours with the largest inner product for each query; exact.

        Args:
            queries: (Q, d) floats.
            k: how many, at least 1.
            owners: user of each query, (Q,); behaviours of the same user are left out.
            snapshots: of each query, UTC seconds, (Q,); wanted where behaviours have times of validity.

        Returns:
            Positions (Q, k) int64, best first, and similarities (Q, k) float32. Where a query has too few
            behaviours to choose from, the rest is -1 and minus infinity.

        Raises:
            DataError: shapes do not fit, or a vector holds something that is not a number.
        """
        matrix, lengths = _matrix(queries, "queries")
        if matrix.shape[1] != self._blocks[0].shape[1] or k < 1:
            raise DataError(
                f"neighbours: wanted vectors of one length and k >= 1, got queries {matrix.shape}, "
                f"corpus {(len(self._owners), self._blocks[0].shape[1])}, k = {k}"
            )
        named = _column(owners, len(matrix), "owners of the queries").tolist()
        asking = np.array([self._numbers.get(name, _STRANGER) for name in named], np.int64)
        times = None if self._valid is None else _seconds(snapshots, len(matrix), "snapshots of the queries")
        indices = np.full((len(matrix), k), -1, np.int64)
        similarity = np.full((len(matrix), k), -np.inf, np.float32)
        for start in range(0, len(matrix), _QUERY_CHUNK):
            part = slice(start, start + _QUERY_CHUNK)
            chunks = self._chunks(asking[part], None if times is None else times[part])
            self._search(matrix[part], lengths[part], chunks, (indices[part], similarity[part]))
        return indices, similarity

    def _search(
        self, queries: Floats, lengths: Floats, chunks: Iterator[_Chunk], best: tuple[Integers, Floats]
    ) -> None:
        """Fill ``best``, positions and similarities (q, k), from one chunk of the corpus after another."""
        k, precise = best[0].shape[1], queries.astype(np.float64)
        # An inner product of d terms is off by at most d roundings of |a| |b|; twice, for two are compared.
        terms = queries.shape[1] + 8
        margin = terms * (2 * _ROUNDING * self._longest * lengths + np.finfo(np.float32).tiny)  # (q,)
        for first, chunk, masked in chunks:
            rough = queries @ chunk.T  # (q, n)
            rough[masked] = -np.inf
            possible = rough >= (best[1][:, -1] - margin)[:, None]
            if possible.sum() > 4 * k * len(queries) and k < len(chunk):
                kth = np.partition(rough, -k, axis=1)[:, -k]
                possible &= rough >= (kth - margin)[:, None]
            possible &= ~masked
            columns = np.flatnonzero(possible.any(axis=0))
            exact = (precise @ chunk[columns].astype(np.float64).T).astype(np.float32)  # (q, m)
            exact[~possible[:, columns]] = -np.inf
            _merge(*best, exact, columns + first)

    def _chunks(self, asking: Integers, snapshots: Integers | None) -> Iterator[_Chunk]:
        """Yield one chunk of the corpus after another: where it begins, vectors (n, d), who may not see it (q, n)."""
        starts = [0, *np.cumsum([len(block) for block in self._blocks])]
        for start, block in zip(starts, self._blocks, strict=False):
            for first in range(0, len(block), _CORPUS_CHUNK):
                chunk = block[first : first + _CORPUS_CHUNK]
                part = slice(start + first, start + first + len(chunk))
                hidden = (asking[:, None] == self._owners[None, part]) | (self._owners[None, part] == _GONE)
                if self._valid is not None and snapshots is not None:
                    valid_from, valid_to = self._valid
                    hidden |= snapshots[:, None] < valid_from[None, part]
                    hidden |= snapshots[:, None] >= valid_to[None, part]
                yield start + first, chunk, hidden


def top_k(
    queries: npt.ArrayLike,
    corpus: npt.ArrayLike,
    k: int,
    *,
    query_owner: npt.ArrayLike,
    corpus_owner: npt.ArrayLike,
    visible: Visibility | None = None,
) -> tuple[Integers, Floats]:
    """Search a corpus once; see ``SearchSpace``.

    Args:
        queries: (Q, d) floats.
        corpus: (N, d) floats.
        k: how many, at least 1.
        query_owner: user of each query, (Q,); behaviours of the same user are left out.
        corpus_owner: user of each behaviour, (N,).
        visible: when behaviours are visible; None: always.

    Returns:
        Positions (Q, k) int64, best first, and similarities (Q, k) float32; where too few are left, the rest
        is -1 and minus infinity.

    >>> corpus = [[3, 0], [1, 5], [2, 0]]
    >>> top_k([[1, 0]], corpus, 2, query_owner=["ann"], corpus_owner=["ann", "bob", "eve"])[0]
    array([[2, 1]])
    """
    if visible is None:
        return SearchSpace(corpus, corpus_owner).top_k(queries, k, query_owner)
    space = SearchSpace(corpus, corpus_owner, (visible.valid_from, visible.valid_to))
    return space.top_k(queries, k, query_owner, visible.snapshot)


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
    matrix = _aligned(vectors, checked[BEHAVIOUR_ID])
    users = np.array(checked[USER_ID].to_pylist(), dtype=object)
    indices, similarity = top_k(matrix, matrix, n_neighbours, query_owner=users, corpus_owner=users)
    row, rank = np.nonzero(indices >= 0)
    ids = checked[BEHAVIOUR_ID].combine_chunks()
    return NEIGHBOURS.check(
        pa.table(
            {
                BEHAVIOUR_ID: ids.take(pa.array(row)),
                RANK: pa.array(rank + 1, pa.int32()),
                NEIGHBOUR_ID: ids.take(pa.array(indices[row, rank])),
                SIMILARITY: pa.array(similarity[row, rank]),
            }
        )
    )


def _merge(indices: Integers, similarity: Floats, found: Floats, places: Integers) -> None:
    """Put the best of ``found`` (q, m), which stand at ``places`` (m,) in the corpus, among the best so far."""
    k = indices.shape[1]
    values = np.concatenate([similarity, found], axis=1)  # (q, k + m): earlier positions stand first
    order = np.concatenate([indices, np.broadcast_to(places, found.shape)], axis=1)
    kth = np.partition(values, -k, axis=1)[:, -k, None]
    # Everything from the k-th value up, ties included, sorted within its row; -inf is nobody.
    row, column = np.nonzero((values >= kth) & (values > -np.inf))
    best = np.lexsort((column, -values[row, column], row))
    row, column = row[best], column[best]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    row, column, rank = row[rank < k], column[rank < k], rank[rank < k]
    indices[row, rank] = order[row, column]
    similarity[row, rank] = values[row, column]


def _matrix(vectors: npt.ArrayLike, name: str) -> tuple[Floats, Floats]:
    """Return the vectors as float32 (N, d), and their lengths (N,)."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is named below
        matrix = np.asarray(vectors, np.float32)
        if matrix.ndim != 2:
            raise DataError(f"neighbours: wanted {name} of shape (N, d), got {matrix.shape}")
        squares = np.einsum("nd,nd->n", matrix, matrix)
    bad = np.flatnonzero(~np.isfinite(squares))
    if len(bad):
        raise DataError(
            f"neighbours: {len(bad)} {name} are not finite numbers, or longer than 1e19, the first is row {bad[0]}; "
            "train the model that made them again, with a lower learning rate"
        )
    return matrix, np.sqrt(squares)


def _seconds(values: npt.ArrayLike | None, count: int, name: str) -> Integers:
    return _column(() if values is None else values, count, name).astype(np.int64)


def _column(values: npt.ArrayLike, count: int, name: str) -> npt.NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (count,):
        raise DataError(f"neighbours: wanted {name}, one per vector ({count}), got shape {column.shape}")
    return column


def _aligned(vectors: pa.Table, behaviour_ids: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """Return the vectors in the order of the behaviours, (N, d)."""
    kind = vectors.schema.field(VECTOR).type if "vector" in vectors.column_names else None
    if not isinstance(kind, pa.FixedSizeListType):
        raise ArtifactError(f"table vectors: wanted a column 'vector' of fixed-size lists, got {kind}")
    dimension = kind.list_size
    checked = vectors_schema(BEHAVIOUR_ID, dimension).check(vectors)
    position = {name: row for row, name in enumerate(checked[BEHAVIOUR_ID].to_pylist())}
    missing = [name for name in behaviour_ids.to_pylist() if name not in position]
    if missing:
        raise ArtifactError(
            f"table vectors: {len(missing)} behaviours have no vector, the first is {missing[0]!r}; "
            "encode the behaviours again"
        )
    flat = checked[VECTOR].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    rows = [position[name] for name in behaviour_ids.to_pylist()]
    return np.asarray(flat, np.float32).reshape(-1, dimension)[rows]
