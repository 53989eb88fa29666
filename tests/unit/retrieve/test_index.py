import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.errors import ArtifactError, DataError
from scorerec.core.tables import BEHAVIOURS
from scorerec.retrieve import loaded
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


def test_a_users_behaviours_are_replaced_in_one_step(index):
    index.replace_users(["bob", "eve", "nobody"], behaviours("bob:2"), vectors("bob:2"))
    assert index.behaviours()["behaviour_id"].to_pylist() == ["ann:1", "bob:2"]
    with pytest.raises(DataError, match="ann:1"):
        index.replace_users(["bob"], behaviours("ann:1"), vectors("eve:1"))
    assert len(index) == 2


def test_a_copy_is_an_index_of_its_own(index, path):
    index.copy(path.with_name("copy.sqlite"))
    with BehaviourIndex.open(path.with_name("copy.sqlite"), "encoder-1") as copy:
        copy.delete_user("bob")
        assert (len(copy), len(index)) == (2, 4)
        assert copy._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with pytest.raises(ArtifactError, match=r"nowhere/copy.sqlite: cannot be written"):
        index.copy(path.parent / "nowhere" / "copy.sqlite")


def test_some_behaviours_by_their_ids(index):
    found = index.behaviours({"eve:1", "bob:1", "gone:1"})
    assert found.equals(behaviours("bob:1", "eve:1"))
    assert index.behaviours(()).num_rows == 0


def test_what_is_forgotten_leaves_no_bytes(index, path):
    """Many users, so that pages fill, split and are freed."""
    many = [{**row, "behaviour_id": f"{name}:{row['behaviour_id']}"} for row in behaviours(*VECTORS).to_pylist()
            for name in range(500)]  # fmt: skip
    table = pa.Table.from_pylist(many, BEHAVIOURS.columns)
    matrix = np.random.default_rng(0).normal(size=(len(many), 2)).astype(np.float32)
    index.add(table, vector_table("behaviour_id", table["behaviour_id"].to_pylist(), matrix))
    bob = next(place for place, row in enumerate(many) if row["user_id"] == "bob")
    traces = [b"bob:1", b"item of bob:2", matrix[bob].tobytes()]
    with BehaviourIndex.open(path) as reader:  # an idle reader stands in nobody's way
        reader.search(np.ones((1, 2), np.float32), 1, ["new"], [50])
        assert all(any(trace in file.read_bytes() for file in path.parent.iterdir()) for trace in traces)
        assert index.delete_user("bob") == 1002
        assert not any(trace in file.read_bytes() for trace in traces for file in path.parent.iterdir())
    assert index.behaviours().num_rows == 1002


def test_a_reader_of_an_older_state_keeps_the_bytes_and_is_named(index, path):
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM behaviours").fetchone()
    index._connection.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(ArtifactError, match=r"rows are deleted.*close.*forget again"):
        index.delete_user("bob")
    reader.close()
    assert index.delete_user("bob") == 0
    assert not any(b"bob:1" in file.read_bytes() for file in path.parent.iterdir())


def test_a_file_that_somebody_else_writes_is_an_error_after_a_while(index, path):
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    index._connection.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(ArtifactError, match=r"index.sqlite: cannot be written.*nothing was changed"):
        index.add(behaviours("ann:1"), vectors("ann:1"))
    writer.close()


@pytest.mark.parametrize("share", [0.1, 1e9])
def test_a_reader_that_reads_changes_alone_finds_what_a_new_one_finds(index, path, share, monkeypatch):
    """Whether all is read again after every change (few rows, 0.1) or never."""
    monkeypatch.setattr(loaded, "_MAX_CHANGES", share)
    random, asked = np.random.default_rng(0), np.array([[1, 0], [0, 1], [-1, 1]], np.float32)
    with BehaviourIndex.open(path) as reader:
        for step in range(60):
            users = [f"u{number}" for number in random.integers(6, size=random.integers(4))]
            rows = [
                {
                    "behaviour_id": f"{user}:{n}",
                    "user_id": user,
                    "valid_from": 0,
                    "valid_to": 1,
                    "item_ids": [str(step)],
                }
                for user in dict.fromkeys(users)
                for n in range(random.integers(3))
            ]
            table = pa.Table.from_pylist(rows, BEHAVIOURS.columns)
            matrix = random.integers(-2, 3, size=(len(rows), 2)).astype(np.float32)  # many ties
            writer = index if step % 3 else reader
            writer.replace_users(
                users, table, vector_table("behaviour_id", [row["behaviour_id"] for row in rows], matrix)
            )
            if step % 7 == 0:
                writer.delete_user("u1")
            with BehaviourIndex.open(path) as new:
                expected = new.search(asked, 9, ["u1", "u2", "x"], [0, 0, 50])
            assert reader.search(asked, 9, ["u1", "u2", "x"], [0, 0, 50]) == expected
            assert index.search(asked, 9, ["u1", "u2", "x"], [0, 0, 50]) == expected


READER = """
import sys
from pathlib import Path
import numpy as np
from scorerec.retrieve.index import BehaviourIndex

asked, seen, last = np.array([[1, 0]], np.float32), set(), 0
with BehaviourIndex.open(Path(sys.argv[1])) as index:
    while last < int(sys.argv[2]):
        hits = index.search(asked, 9, ["new"], [0])[0]
        generations = {round(hit.similarity) for hit in hits}
        items = {row["item_ids"][0] for row in index.behaviours().to_pylist()}
        assert len(generations) == len(items) == 1, (generations, items)  # a whole state, never parts of two
        assert last <= generations.copy().pop() <= int(items.pop())  # and never an older one
        last = generations.pop()
        assert len(hits) == (9 if last % 2 else 8), (last, len(hits))
        if not seen:
            print("reading", flush=True)
        seen.add(last)
print(len(seen))
"""


def test_processes_read_whole_states_while_one_writes(path):
    """State n has vectors of length n and item n; in even states one of the ten users is forgotten."""
    n_states = 41
    ids = [f"u{number}" for number in range(9)]

    def state(number, names):
        rows = [{"behaviour_id": name, "user_id": name, "valid_from": 0, "valid_to": 1, "item_ids": [str(number)]}
                for name in names]  # fmt: skip
        matrix = np.array([[number, 0]] * len(names), np.float32)
        return pa.Table.from_pylist(rows, BEHAVIOURS.columns), vector_table("behaviour_id", names, matrix)

    with BehaviourIndex.create(path, "encoder-1", 2) as index:
        index.add(*state(1, ids))
        command = [sys.executable, "-c", READER, str(path), str(n_states)]
        readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for reader in readers:
            assert reader.stdout.readline() == "reading\n"
        for number in range(2, n_states + 1):
            index.replace_users(ids, *state(number, ids if number % 2 else ids[1:]))
            if number % 10 == 0:
                assert index.delete_user("nobody") == 0  # rewrites the file under the readers
    for reader in readers:
        printed, _ = reader.communicate(timeout=60)
        assert reader.returncode == 0
        assert int(printed) > 1


def test_threads_share_an_index(index):
    asked, failures = np.array([[0, 1]], np.float32), []

    def search():
        try:
            for _ in range(50):
                assert names(index.search(asked, 1, ["new"], [50])) in ([["bob:2"]], [["ann:1"]])
        except BaseException as failure:  # a thread's error is nobody's error
            failures.append(failure)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for length in (5, 0) * 10:
        index.add(behaviours("ann:1"), vector_table("behaviour_id", ["ann:1"], np.array([[1, length]], np.float32)))
    for thread in threads:
        thread.join()
    assert failures == []


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
