"""The planted world holds what it promises: the twin tells the label, others do not, genres hardly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from scorerec.core.errors import DataError
from scorerec.data.corpus import CorpusConfig, build_corpus
from scorerec.data.prepare import DataConfig, Prepared, prepare
from scorerec.data.synthetic import SyntheticWorld

WORLD = SyntheticWorld()
SPLIT = {"by": "months", "train": (0, 9), "valid": (10, 10), "test": (11, 11)}


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(DataConfig.model_validate({"source": WORLD.model_dump(), "split": SPLIT}))


@pytest.fixture(scope="module")
def training_positives(prepared: Prepared) -> dict[str, set[str]]:
    behaviours = build_corpus(prepared.interactions, CorpusConfig()).behaviours.to_pylist()
    return {row["user_id"]: set(row["item_ids"]) for row in behaviours}


def test_rows(prepared: Prepared) -> None:
    parts = prepared.notes["parts"]
    assert {name: part["rows"] for name, part in parts.items()} == {
        "train": 120 * 28,
        "valid": 120 * 6,
        "test": 120 * 6,
    }
    assert 0.4 < parts["test"]["positive_rate"] < 0.6
    titles = prepared.items["title"].to_pylist()
    assert len(set(titles)) == len(titles) == 600
    assert prepared.items["item_id"].to_pylist()[0] == "00001"


def test_the_same_seed_makes_the_same_world(prepared: Prepared) -> None:
    again = prepare(DataConfig.model_validate({"source": "synthetic", "split": SPLIT}))
    other = prepare(DataConfig.model_validate({"source": {"name": "synthetic", "seed": 1}, "split": SPLIT}))
    assert again.interactions.equals(prepared.interactions)
    assert not other.interactions.equals(prepared.interactions)


@pytest.mark.parametrize("part", ["valid", "test"])
def test_the_twin_and_nobody_else_tells_the_label(
    prepared: Prepared, training_positives: dict[str, set[str]], part: str
) -> None:
    rows = [row for row in prepared.interactions.to_pylist() if row["split"] == part]
    labels = [row["label"] for row in rows]
    users = sorted(training_positives)
    random = np.random.default_rng(0)
    twin = [row["item_id"] in training_positives[WORLD.twin_of(row["user_id"])] for row in rows]
    others = []
    for row in rows:
        strangers = [user for user in users if user not in (row["user_id"], WORLD.twin_of(row["user_id"]))]
        chosen = random.choice(strangers, 10, replace=False)
        others.append(sum(row["item_id"] in training_positives[user] for user in chosen))
    assert roc_auc_score(labels, twin) > 0.85
    assert abs(roc_auc_score(labels, others) - 0.5) < 0.06


def test_the_twin_can_be_found_by_the_shared_history(training_positives: dict[str, set[str]]) -> None:
    def overlap(one: str, other: str) -> float:
        both = training_positives[one] & training_positives[other]
        return len(both) / np.sqrt(len(training_positives[one]) * len(training_positives[other]))

    users = sorted(training_positives)
    nearest = {
        user: max((other for other in users if other != user), key=lambda other: overlap(user, other)) for user in users
    }
    assert np.mean([nearest[user] == WORLD.twin_of(user) for user in users]) > 0.9


def test_genres_tell_a_little(prepared: Prepared) -> None:
    genres = {row["item_id"]: row["genres"][0] for row in prepared.items.to_pylist()}
    train: dict[tuple[str, str], list[int]] = {}
    labels, scores = [], []
    for row in prepared.interactions.to_pylist():
        key = (row["user_id"], genres[row["item_id"]])
        if row["split"] == "train":
            train.setdefault(key, []).append(row["label"])
        elif row["split"] == "test":
            seen = train.get(key, [])
            labels.append(row["label"])
            scores.append((sum(seen) + 1) / (len(seen) + 2))
    assert 0.52 < roc_auc_score(labels, scores) < 0.7


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(ValidationError, match="multiple of 2"):
        SyntheticWorld(n_users=5)
    with pytest.raises(DataError, match="n_items must be at least"):
        SyntheticWorld(n_items=20).read(None)
    with pytest.raises(DataError, match="reads no files"):
        SyntheticWorld().files(Path("somewhere"))
