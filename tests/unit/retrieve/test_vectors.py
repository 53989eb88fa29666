from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorerec.core.errors import DataError
from scorerec.retrieve.vectors import read_user_vectors, vector_matrix, vector_table


def test_there_and_back_in_the_order_asked():
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    table = vector_table("behaviour_id", ["a", "b", "c"], matrix)
    assert np.array_equal(vector_matrix(table, "behaviour_id", ["c", "a"]), matrix[[2, 0]])
    assert np.array_equal(vector_matrix(table.slice(1), "behaviour_id", ["b"]), matrix[[1]])


def test_a_missing_vector_is_named():
    table = vector_table("query_id", ["a"], np.ones((1, 2), np.float32))
    with pytest.raises(DataError, match="1 of 2 rows have no vector, the first is query_id 'z'"):
        vector_matrix(table, "query_id", ["a", "z"])


def written(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_own_vectors_come_in_the_order_asked_for(tmp_path: Path) -> None:
    path = written(
        tmp_path / "v.parquet", user_id=["a", "b", "c"], vector=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], more=[1, 2, 3]
    )
    np.testing.assert_array_equal(read_user_vectors(path, ["c", "a"]), np.array([[5, 6], [1, 2]], np.float32))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user_id": ["a"]}, "wanted a Parquet file with user_id"),
        ({"user_id": ["a"], "vector": [[1.0]]}, "1 of 2 training users have no vector, first 'b'"),
        ({"user_id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "user 'a' has 1 numbers, others 2"),
        ({"user_id": ["a", "b"], "vector": [[1.0], None]}, "user 'b' has 0 numbers, others 1"),
        ({"user_id": ["a", "b"], "vector": [[1.0], [float("nan")]]}, "user 'b' has a value that is no finite number"),
        ({"user_id": ["a", "b"], "vector": [["x"], ["y"]]}, "wanted a Parquet file with user_id"),
        ({"user_id": ["a", "b"], "vector": [1.0, 2.0]}, "user 'a' has 0 numbers"),
    ],
)
def test_own_vectors_that_cannot_be_used(tmp_path: Path, columns: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_user_vectors(written(tmp_path / "v.parquet", **columns), ["a", "b"])


def test_own_vectors_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "v.parquet").write_text("user_id,vector", encoding="utf-8")
    for name in ("v.parquet", "nothing.parquet"):
        with pytest.raises(DataError, match="wanted a Parquet file"):
            read_user_vectors(tmp_path / name, ["a"])
