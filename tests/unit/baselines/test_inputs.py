"""What a baseline is given: of the queries, training decides what is trained, and test rows only what they are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from scorerec.baselines.base import Inputs
from scorerec.baselines.soft import one_size
from scorerec.core.tables import QUERIES
from scorerec.llm.config import LLMConfig
from scorerec.text.describe import Describer
from scorerec.text.wording import DOMAINS

# A query that rows of several parts ask is one of the earliest of these parts.
ASKED = {"a": ["test"], "b": ["train", "test"], "c": ["valid"], "d": ["train"], "e": ["valid", "test"]}


@pytest.fixture
def inputs() -> Inputs:
    queries = pa.table({"query_id": list(ASKED), "item_ids": [[name] for name in ASKED]})
    rows = [(query, split) for query, splits in ASKED.items() for split in splits]
    targets = pa.table({"query_id": [row[0] for row in rows], "split": [row[1] for row in rows]})
    corpus = SimpleNamespace(table=lambda schema: queries if schema is QUERIES else targets)
    return Inputs(
        artifacts=cast(Any, {"corpus": corpus}),
        backbone="",
        device="cpu",
        llm=LLMConfig(),
        ties="file",
        write=lambda _: pa.table({}),
        tune=lambda *_: {},
        describer=Describer({}),
        words=DOMAINS["movie"],
        seed=0,
    )


def test_a_query_belongs_to_the_earliest_part_that_asks_it(inputs: Inputs) -> None:
    assert [places.tolist() for places in inputs.parts_of_queries()] == [[1, 3], [2, 4], [0]]


def test_queries_are_computed_part_by_part_and_come_back_in_their_order(inputs: Inputs) -> None:
    batches: list[list[list[str]]] = []

    def letters(histories: list[list[str]]) -> np.ndarray:
        batches.append(histories)
        return np.array([[ord(item) for item in items] for items in histories])

    assert inputs.of_queries(letters).tolist() == [[ord(name)] for name in ASKED]
    assert batches == [[["b"], ["d"]], [["c"], ["e"]], [["a"]]]


def test_only_what_is_known_decides_middle_and_size() -> None:
    rng = np.random.default_rng(0)
    known, others = (rng.normal(3, 5, (50, 4)).astype(np.float32) for _ in range(2))
    alone, beside = one_size(known, known), one_size(np.concatenate([known, 100 * others]), known)
    np.testing.assert_array_equal(beside[:50], alone)
    np.testing.assert_allclose([alone.mean(), alone.std()], [0, 1], atol=1e-6)
