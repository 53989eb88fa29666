from __future__ import annotations

import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import TARGETS
from scorerec.evaluate.informativeness import evidence_informativeness, evidence_matches


def by_target(table: pa.Table) -> dict[str, tuple[int, int]]:
    return {row["target_id"]: (row["n_evidence"], row["n_with_target"]) for row in table.to_pylist()}


def test_candidates_are_joined_by_query(world):
    table = evidence_matches(world.targets, world.candidates, world.behaviours)
    assert table["target_id"].to_pylist() == world.targets["target_id"].to_pylist()
    found = by_target(table)
    assert found["t4"] == (2, 2)  # bob and cat have z; cat's two z count once
    assert found["t5"] == (2, 0)
    assert found["t7"] == (1, 0)
    assert found["t9"] == (0, 0)


def test_contexts_are_joined_by_target(world):
    found = by_target(evidence_matches(world.targets, world.contexts, world.behaviours))
    assert found["t4"] == (1, 1)
    assert found["t5"] == (0, 0)


def test_auc_of_the_evidence_alone_by_split(world):
    found = evidence_informativeness(world.targets, world.candidates, world.behaviours, "candidates (K_e = 2)")
    count = {entry.split: entry for entry in found if entry.feature == "how many contain the target"}
    assert list(count) == ["train", "test"]
    # Test: t4 (liked) counts 2, all others 0: of 3 x 4 pairs 4 are won and 8 are ties.
    assert count["test"].auc == pytest.approx((4 + 8 / 2) / 12)
    assert (count["test"].n_rows, count["test"].n_without) == (7, 3)
    assert count["train"].auc == 0.5


def test_the_share_tells_a_full_match_from_a_partial_one(world):
    more = pa.concat_tables(
        [
            world.candidates,
            pa.Table.from_pylist(
                [
                    {"query_id": "q-dan-test", "rank": rank, "behaviour_id": name, "similarity": 0.1}
                    for rank, name in enumerate(["b-ann", "b-bob", "b-cat"], start=1)
                ],
                world.candidates.schema,
            ),
        ]
    )
    found = evidence_informativeness(world.targets, more, world.behaviours, "candidates")
    test = {entry.feature: entry.auc for entry in found if entry.split == "test"}
    # dan's two disliked rows count 2 of 3 each, ann's liked one 2 of 2.
    assert test["share that contains the target"] > test["how many contain the target"]


def test_one_label_has_no_auc(world):
    liked = world.targets.filter(pa.array([row["label"] == 1 for row in world.targets.to_pylist()]))
    found = evidence_informativeness(liked, world.candidates, world.behaviours, "candidates")
    assert {(entry.auc, entry.reason) for entry in found} == {(None, "all rows have one label")}


def test_targets_without_labels_are_left_out(world):
    serving = TARGETS.columns.empty_table()
    assert evidence_informativeness(serving, world.candidates, world.behaviours, "candidates") == []


def test_unknown_behaviours_are_refused(world):
    with pytest.raises(DataError, match="behaviour 'b-ann' is not in the behaviours given"):
        evidence_matches(world.targets, world.candidates, world.behaviours.slice(1))
