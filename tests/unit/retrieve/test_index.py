import sqlite3

import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.errors import ArtifactError, DataError
from scorerec.core.tables import BEHAVIOURS
from scorerec.retrieve.index import BehaviourIndex
from scorerec.retrieve.vectors import vector_table

VECTORS = {"ann:1": [1, 0], "bob:1": [0, 1], "bob:2": [0.6, 0.8], "eve:1": [0.8, 0.6]}
VALID = {"ann:1": (0, 99), "bob:1": (0, 10), "bob:2": (10, 99), "eve:1": (5, 99)}


def behaviours(*names):
    return pa.Table.from_pylist(
        [
            {
                "behaviour_id": name,
                "user_id": name[:3],
                "valid_from": VALID[name][0],
                "valid_to": VALID[name][1],
                "item_ids": [f"item of {name}", "x"],
            }
            for name in names
        ],
        BEHAVIOURS.columns,
    )


def vectors(*names):
    return vector_table("behaviour_id", list(names), np.array([VECTORS[name] for name in names], np.float32))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rooms" / "index.sqlite"


@pytest.fixture
def index(path):
    with BehaviourIndex.create(path, "encoder-1", 2) as index:
        index.add(behaviours(*VECTORS), vectors(*VECTORS))
        yield index


def names(hits):
    return [[hit.behaviour_id for hit in row] for row in hits]


def test_search_leaves_out_the_own_user_and_respects_snapshots(index):
    asked = np.array([[1, 0]] * 4, np.float32)
    hits = index.search(asked, 2, owners=["eve", "ann", "ann", "new"], snapshots=[9, 9, 10, 0])
    assert names(hits) == [["ann:1", "bob:1"], ["eve:1", "bob:1"], ["eve:1", "bob:2"], ["ann:1", "bob:1"]]
    assert hits[2][0].similarity == pytest.approx(0.8)


def test_fewer_than_k_may_be_seen(index):
    asked = np.array([[1, 0]], np.float32)
    assert names(index.search(asked, 9, owners=["ann"], snapshots=[0])) == [["bob:1"]]
    assert names(index.search(asked, 9, owners=["ann"], snapshots=[99])) == [[]]


def test_it_persists(index, path):
    index.close()
    with BehaviourIndex.open(path, "encoder-1") as again:
        assert len(again) == 4
        assert again.dimension == 2
        assert again.behaviours().equals(behaviours(*VECTORS))
        assert names(again.search(np.array([[0, 1]], np.float32), 1, ["new"], [50])) == [["bob:2"]]


def test_a_behaviour_that_is_added_again_is_replaced(index):
    index.search(np.zeros((1, 2), np.float32), 1, ["new"], [0])
    index.add(behaviours("ann:1"), vector_table("behaviour_id", ["ann:1"], np.array([[0, 5]], np.float32)))
    assert len(index) == 4
    assert names(index.search(np.array([[0, 1]], np.float32), 1, ["new"], [50])) == [["ann:1"]]


def test_a_user_can_be_forgotten(index):
    assert index.delete_user("bob") == 2
    assert index.delete_user("bob") == 0
    assert names(index.search(np.array([[0, 1]], np.float32), 9, ["new"], [9])) == [["eve:1", "ann:1"]]


def test_what_another_connection_writes_is_seen(index, path):
    asked = np.array([[0, 1]], np.float32)
    index.search(asked, 1, ["new"], [50])
    with BehaviourIndex.open(path) as other:
        other.delete_user("bob")
    assert names(index.search(asked, 1, ["new"], [50])) == [["eve:1"]]


def test_adding_is_all_or_nothing(index):
    with pytest.raises(DataError, match="eve:1"):
        index.add(behaviours("ann:1", "eve:1"), vectors("ann:1"))
    assert len(index) == 4


def test_an_empty_index_finds_nothing(path):
    with BehaviourIndex.create(path, "encoder-1", 2) as index:
        assert index.search(np.ones((1, 2), np.float32), 3, ["ann"], [0]) == [[]]
        assert index.behaviours().num_rows == 0


def test_vectors_of_another_dimension_are_refused(index):
    with pytest.raises(ArtifactError, match="dimension 2"):
        index.search(np.ones((1, 3), np.float32), 1, ["ann"], [0])
    with pytest.raises(ArtifactError, match="dimension 2"):
        index.add(behaviours("ann:1"), vector_table("behaviour_id", ["ann:1"], np.ones((1, 3), np.float32)))


def test_another_encoder_is_refused(index, path):
    with pytest.raises(ArtifactError, match=r"encoder-2.*encoder-1"):
        BehaviourIndex.open(path, "encoder-2")


def test_an_index_is_never_overwritten(index, path):
    with pytest.raises(ArtifactError, match="exists already"):
        BehaviourIndex.create(path, "encoder-1", 2)


def test_files_that_are_no_index(tmp_path):
    with pytest.raises(ArtifactError, match="no such index"):
        BehaviourIndex.open(tmp_path / "nothing")
    (tmp_path / "text").write_text("not a database at all, but a text of some length")
    with pytest.raises(ArtifactError, match="not an index"):
        BehaviourIndex.open(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE meta (key, value)")
    other.close()
    with pytest.raises(ArtifactError, match="version"):
        BehaviourIndex.open(tmp_path / "other")
