"""Tables of vectors to matrices and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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

    Raises:
        DataError: an id has no vector.
    """
    column = table["vector"].combine_chunks()
    dimension = column.type.list_size
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    place = {name: index for index, name in enumerate(table[key].to_pylist())}
    if missing := [name for name in ids if name not in place]:
        raise DataError(f"{len(missing)} of {len(ids)} rows have no vector, the first is {key} {missing[0]!r}")
    return flat.reshape(-1, dimension)[[place[name] for name in ids]]
