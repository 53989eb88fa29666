import numpy as np
import pytest

from scorerec.core.errors import DataError
from scorerec.retrieve.vectors import vector_matrix, vector_table


def test_there_and_back_in_the_order_asked():
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    table = vector_table("behaviour_id", ["a", "b", "c"], matrix)
    assert np.array_equal(vector_matrix(table, "behaviour_id", ["c", "a"]), matrix[[2, 0]])
    assert np.array_equal(vector_matrix(table.slice(1), "behaviour_id", ["b"]), matrix[[1]])


def test_a_missing_vector_is_named():
    table = vector_table("query_id", ["a"], np.ones((1, 2), np.float32))
    with pytest.raises(DataError, match="1 of 2 rows have no vector, the first is query_id 'z'"):
        vector_matrix(table, "query_id", ["a", "z"])
