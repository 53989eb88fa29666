import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import BEHAVIOURS, QUERIES
from scorerec.retrieve.candidates import retrieve_candidates, search_once
from scorerec.retrieve.index import BehaviourIndex
from scorerec.retrieve.vectors import vector_table

KNOWN = pa.Table.from_pylist(
    [
        {"behaviour_id": f"{user}:1", "user_id": user, "valid_from": start, "valid_to": 99, "item_ids": ["x"]}
        for user, start in (("ann", 0), ("bob", 0), ("eve", 5))
    ],
    BEHAVIOURS.columns,
)
PLACES = vector_table("behaviour_id", ["ann:1", "bob:1", "eve:1"], np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32))


@pytest.fixture
def index(tmp_path):
    with BehaviourIndex.create(tmp_path / "index.sqlite", "e", 2) as index:
        index.add(KNOWN, PLACES)
        yield index


def queries(*rows):
    names = QUERIES.columns.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], QUERIES.columns)


ASKED = queries(("q2", "ann", 1, 9, ["x"]), ("q1", "ann", 0, 9, []), ("q3", "eve", 2, 0, ["x", "y"]))
VECTORS = vector_table("query_id", ["q1", "q2", "q3"], np.array([[0, 1], [1, 0], [1, 0]], np.float32))


def test_nearest_of_others_in_the_order_of_the_queries(index):
    found = retrieve_candidates(ASKED, VECTORS, index, 2).to_pydict()
    assert found["query_id"] == ["q2", "q2", "q3", "q3"]
    assert found["rank"] == [1, 2, 1, 2]
    assert found["behaviour_id"] == ["eve:1", "bob:1", "ann:1", "bob:1"]
    assert found["similarity"] == pytest.approx([0.6, 0.0, 1.0, 0.0])


def test_a_query_without_history_has_no_candidates(index):
    assert retrieve_candidates(ASKED.slice(1, 1), VECTORS, index, 2).num_rows == 0


def test_a_query_without_a_vector_is_named(index):
    with pytest.raises(DataError, match="q3"):
        retrieve_candidates(ASKED, VECTORS.slice(0, 2), index, 2)


def test_without_an_index_the_same_is_found(index):
    for count in (1, 2, 5):
        found = search_once(ASKED, VECTORS, KNOWN, PLACES, count).to_pydict()
        expected = retrieve_candidates(ASKED, VECTORS, index, count).to_pydict()
        assert found.pop("similarity") == pytest.approx(expected.pop("similarity"))
        assert found == expected


@pytest.mark.parametrize(("asked", "known"), [(ASKED.slice(1, 1), KNOWN), (ASKED, KNOWN.slice(0, 0))])
def test_without_an_index_nobody_is_found_where_nobody_can_be(asked, known):
    assert search_once(asked, VECTORS, known, PLACES, 2).num_rows == 0
