import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import BEHAVIOURS, NEIGHBOURS, QUERIES
from scorerec.retrieve.anchors import Anchor, prefix_neighbours, read_anchors, sample_prefixes
from scorerec.retrieve.vectors import vector_table

TEXTS = {"ann": "['Doom']", "bob": "['Emma']", "eve": "['Quake']"}


def neighbours(*rows):
    return pa.table([list(column) for column in zip(*rows, strict=True)], schema=NEIGHBOURS.columns)


FINAL = neighbours(("ann", 2, "bob", 0.1), ("ann", 1, "eve", 0.9), ("bob", 1, "ann", 0.1))


def queries(n_users=2, n_queries=4):
    rows = [
        {
            "query_id": f"u{user}:{n}",
            "user_id": f"u{user}",
            "n_before": n,
            "snapshot": 0,
            "item_ids": ["x"] * n,
        }
        for user in range(n_users)
        for n in range(n_queries)
    ]
    return pa.Table.from_pylist(rows, QUERIES.columns)


def test_a_behaviour_is_its_own_user_and_neighbours_go_by_rank():
    assert read_anchors(FINAL, TEXTS) == {
        "ann": Anchor("['Doom']", "ann", ("eve", "bob"), is_prefix=False),
        "bob": Anchor("['Emma']", "bob", ("ann",), is_prefix=False),
    }


def test_a_behaviour_without_text_is_named():
    with pytest.raises(DataError, match="'eve' has no text"):
        read_anchors(FINAL, {"ann": "", "bob": ""})


def test_prefixes_bring_their_text_and_their_own_neighbours():
    behaviours = pa.Table.from_pylist(
        [{"behaviour_id": name, "user_id": name, "valid_from": 0, "valid_to": 9, "item_ids": ["x"]} for name in TEXTS],
        BEHAVIOURS.columns,
    )
    matrix = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    asked = queries(1, 2).slice(1).set_column(1, "user_id", pa.array(["bob"]))
    found = prefix_neighbours(
        asked,
        {"u0:1": "['Emma so far']"},
        vector_table("query_id", ["u0:1"], np.array([[0, 1]], np.float32)),
        behaviours,
        vector_table("behaviour_id", list(TEXTS), matrix),
        n_neighbours=5,
    )
    both = pa.concat_tables([FINAL, found], promote_options="default")
    anchors = read_anchors(both, TEXTS)
    assert anchors["u0:1"] == Anchor("['Emma so far']", "bob", ("eve", "ann"), is_prefix=True)
    assert anchors["ann"] == read_anchors(FINAL, TEXTS)["ann"]


def test_prefixes_are_sampled_per_user_and_have_a_history():
    chosen = sample_prefixes(queries(3), 2, seed=0)
    assert chosen["user_id"].to_pylist() == ["u0", "u0", "u1", "u1", "u2", "u2"]
    assert min(chosen["n_before"].to_pylist()) > 0
    # The other users do not matter, nor does the seed of another run.
    assert sample_prefixes(queries(1), 2, seed=0).equals(chosen.slice(0, 2))
    assert sample_prefixes(queries(1), 9, seed=0).num_rows == 3
