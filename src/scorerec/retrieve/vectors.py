"""Tables of vectors to matrices and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from scorerec.core.columns import USER_ID, VECTOR
from scorerec.core.errors import DataError
from scorerec.core.tables import vectors_schema


def vector_table(key: str, ids: Sequence[str], vectors: npt.NDArray[np.float32]) -> pa.Table:
    """Return the vectors table of a matrix.

    >>> vector_table("query_id", ["q1"], np.ones((1, 2), np.float32)).to_pylist()
    [{'query_id': 'q1', 'vector': [1.0, 1.0]}]

    Args:
        key: ``behaviour_id`` or ``query_id``.
        ids: N ids.
        vectors: (N, d) float32.
    """
    dimension = vectors.shape[1]
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    table = pa.table(
        [pa.array(ids, pa.string()), pa.FixedSizeListArray.from_arrays(flat, dimension)],
        names=[key, "vector"],
    )
    return vectors_schema(key, dimension).check(table)


def vector_matrix(table: pa.Table, key: str, ids: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return the vectors of ``ids``, in that order, (N, d) float32.

    Args:
        table: rows of vectors, in any order.
        key: its column of ids.
        ids: N of them; one may occur more than once.

    Raises:
        DataError: an id has no vector.
    """
    column = table[VECTOR].combine_chunks()
    dimension = column.type.list_size
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    place = {name: index for index, name in enumerate(table[key].to_pylist())}
    if missing := [name for name in ids if name not in place]:
        raise DataError(f"{len(missing)} of {len(ids)} rows have no vector, the first is {key} {missing[0]!r}")
    return flat.reshape(-1, dimension)[[place[name] for name in ids]]


def read_user_vectors(path: Path, users: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return one's own vectors of users, (N, d) float32, in the order of ``users``.

    Args:
        path: Parquet with ``user_id`` (text) and ``vector`` (lists of numbers, all of one length); others may be there.
        users: who needs one.

    Raises:
        DataError: the file is missing or not that, or a user has no vector.
    """
    wanted = f"{path}: wanted a Parquet file with user_id (text) and vector (lists of numbers)"
    try:
        table = pq.read_table(path, columns=[USER_ID, VECTOR])
        rows = dict(zip(table[USER_ID].cast(pa.string()).to_pylist(), table[VECTOR].to_pylist(), strict=True))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DataError(f"{wanted}: {error}") from None
    if missing := [user for user in users if user not in rows]:
        raise DataError(f"{path}: {len(missing)} of {len(users)} training users have no vector, first {missing[0]!r}")
    lengths = {user: len(row) if isinstance(row := rows[user], list) else 0 for user in users}
    longest = max(lengths.values(), default=0)
    if odd := next((user for user, length in lengths.items() if length != longest or not length), None):
        raise DataError(f"{wanted}, all of one length: user {odd!r} has {lengths[odd]} numbers, others {longest}")
    try:
        vectors = np.array([rows[user] for user in users], np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{wanted}: {error}") from None
    if len(wrong := np.flatnonzero(~np.isfinite(vectors).all(1))):
        raise DataError(f"{path}: the vector of user {users[wrong[0]]!r} has a value that is no finite number")
    return vectors
