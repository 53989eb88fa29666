"""Which rows are learned from, and which of them have evidence that names their target."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from scorerec.core.tables import PROMPTS
from scorerec.llm.config import LLMConfig
from scorerec.llm.rows import Draw, labelled_prompts, targets_named
from scorerec.text.budget import Budget
from scorerec.text.segments import Segment, to_rows


def prompt(*titles: str) -> list[Segment]:
    opened, closed = (Segment("wording", text, None, "b") for text in ("[", "]"))
    return [opened, *(Segment("evidence", one, one, "b") for one in titles), closed, Segment("target", "x", "x")]


def table_of(shown: dict[str, list[Segment]]) -> pa.Table:
    rows = [
        {"target_id": name, "segments": to_rows(parts), "dropped_history": 0, "dropped_evidence": 0}
        for name, parts in shown.items()
    ]
    return pa.Table.from_pylist(rows, PROMPTS.columns)


def test_titles_that_the_budget_leaves_count() -> None:
    table = table_of({"named": prompt("a", "x"), "too early": prompt("x", "a", "b"), "other": prompt("a", "b")})
    assert targets_named(table, LLMConfig(evidence_titles=2).budget) == {"named"}
    assert targets_named(table, LLMConfig(evidence_titles=None, max_tokens=3).budget) == {"named", "too early"}
    assert targets_named(table, LLMConfig(evidence_users=0).budget) == set()


def test_a_share_of_the_rows_is_drawn_among_those_whose_evidence_names_the_target() -> None:
    names = [f"row{place}" for place in range(60)]
    table = table_of({name: prompt("a", "x" if place < 6 else "b") for place, name in enumerate(names)})
    labels = pa.table(
        {
            "target_id": names,
            "query_id": [f"q{place // 3}" for place in range(60)],  # rows 0 to 5 are two queries
            "label": np.arange(60) % 2,
            "split": ["train"] * 60,
        }
    )

    def n_named(draw: Draw) -> tuple[int, int]:
        rows = labelled_prompts(table, labels, "train", draw, seed=0).prompts
        return sum(parts[2].text == "x" for parts in rows), len(rows)

    assert n_named(Draw(20))[0] < 6
    assert n_named(Draw(20, named_share=0.2)) == (4, 20)
    assert n_named(Draw(20, named_share=1.0)) == (6, 20)  # there are no more
    assert n_named(Draw(20, named_share=1.0, shown=Budget(evidence_users=0)))[0] == n_named(Draw(20))[0]
    assert n_named(Draw(12, together=3, named_share=0.25)) == (3, 12)  # a whole run of theirs
    assert n_named(Draw(58, named_share=0.05)) == (4, 58)  # 54 others, and so some more
