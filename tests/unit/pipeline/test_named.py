"""The target is named where the LM is shown it, and not where it is beyond what it is shown."""

from __future__ import annotations

import pyarrow as pa

from scorerec.core.tables import PROMPTS, VERDICTS
from scorerec.llm.config import LLMConfig
from scorerec.pipeline.named import targets_judged, targets_named
from scorerec.text.segments import Segment, to_rows


def prompt(*titles: str) -> list[Segment]:
    opened, closed = (Segment("wording", text, None, "b") for text in ("[", "]"))
    return [opened, *(Segment("evidence", one, one, "b") for one in titles), closed, Segment("target", "x", "x")]


def test_titles_that_the_budget_leaves_count() -> None:
    shown = {"named": prompt("a", "x"), "too early": prompt("x", "a", "b"), "other": prompt("a", "b")}
    rows = [
        {"target_id": name, "segments": to_rows(parts), "dropped_history": 0, "dropped_evidence": 0}
        for name, parts in shown.items()
    ]
    table = pa.Table.from_pylist(rows, PROMPTS.columns)
    assert targets_named(table, LLMConfig(evidence_titles=2)) == {"named"}
    assert targets_named(table, LLMConfig(evidence_titles=None)) == {"named", "too early"}
    assert targets_named(table, LLMConfig(evidence_users=0)) == set()


def test_verdicts_of_nobody_tell_nothing() -> None:
    rows = [dict(zip(VERDICTS.columns.names, row, strict=True)) for row in (("a", 3, 0, 0, 0), ("b", 0, 0, 0, 0))]
    assert targets_judged(pa.Table.from_pylist(rows, VERDICTS.columns)) == {"a"}
