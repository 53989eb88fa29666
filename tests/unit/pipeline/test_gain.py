"""A behaviour's gain is the log-likelihood of the label with it alone shown, minus that with nobody's."""

from __future__ import annotations

from math import log

import pyarrow as pa
import pytest

from scorerec.core.tables import BEHAVIOURS, ITEMS, QUERIES, TARGETS
from scorerec.pipeline.gain import Gains
from scorerec.pipeline.prompting import PromptConfig, Prompter
from scorerec.text.segments import from_rows, render

PROMPTER = Prompter(ITEMS.check(pa.table({"item_id": list("abc"), "title": ["Alien", "Big", "Clue"]})), PromptConfig())
QUERY = pa.Table.from_pylist(
    [{"query_id": "q", "user_id": "u", "n_before": 1, "snapshot": 0, "item_ids": ["a"]}], QUERIES.columns
)
TARGETS_OF = pa.Table.from_pylist(
    [
        {"target_id": name, "query_id": "q", "item_id": "b", "row_id": row, "label": label, "split": "train"}
        for row, (name, label) in enumerate({"liked": 1, "not": 0}.items())
    ],
    TARGETS.columns,
)
OTHERS = pa.Table.from_pylist(
    [
        {"behaviour_id": name, "user_id": name, "valid_from": 0, "valid_to": 9, "item_ids": items}
        for name, items in {"fan": ["b"], "other": ["c"]}.items()
    ],
    BEHAVIOURS.columns,
)


def test_who_liked_the_target_helps_where_it_was_liked_and_harms_where_not() -> None:
    read: list[str] = []

    def score(prompts: pa.Table) -> pa.Table:
        texts = [render(from_rows(segments)) for segments in prompts["segments"].to_pylist()]
        read.extend(texts)
        p_yes = [0.8 if "['Big']" in text else 0.4 if "Other users" in text else 0.5 for text in texts]
        return pa.table({"target_id": prompts["target_id"], "p_yes": p_yes})

    gains = Gains(PROMPTER, (TARGETS_OF, QUERY), OTHERS, score)
    pairs = [("liked", "fan"), ("not", "fan"), ("liked", "other"), ("not", "other")]
    found = gains.of(*map(list, zip(*pairs, strict=True)))
    assert found.tolist() == pytest.approx([log(0.8 / 0.5), log(0.2 / 0.5), log(0.4 / 0.5), log(0.6 / 0.5)])
    assert len(read) == 6  # each target once with nobody's
    assert not any("['Big'], ['Clue']" in text for text in read)


def test_nobody_gains_nothing() -> None:
    gains = Gains(
        PROMPTER, (TARGETS_OF, QUERY), OTHERS, lambda prompts: pa.table({"p_yes": pa.array([], pa.float64())})
    )
    assert gains.of([], []).tolist() == []
