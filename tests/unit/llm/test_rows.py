"""Which rows are learned from, and which of them have evidence that names their target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from scorerec.core.tables import PROMPTS
from scorerec.llm.config import LLMConfig
from scorerec.llm.rows import Draw, labelled_prompts, targets_named
from scorerec.text.budget import Budget, fit
from scorerec.text.segments import Segment, to_rows


def prompt(*titles: str, history: Sequence[str] = ()) -> list[Segment]:
    opened, closed = (Segment("wording", text, None, "b") for text in ("[", "]"))
    own = [Segment("history", one, one) for one in history]
    return [*own, opened, *(Segment("evidence", one, one, "b") for one in titles), closed, Segment("target", "x", "x")]


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


def rows_of(n_rows: int) -> pa.Table:
    columns = {"target_id": list(map(str, range(n_rows))), "label": np.arange(n_rows) % 2, "split": ["train"] * n_rows}
    return pa.table(columns)


def test_a_share_of_the_rows_is_drawn_among_those_whose_evidence_names_the_target() -> None:
    titles = ["x" if place < 6 else "b" for place in range(60)]
    histories = [[f"h{place // 3}"] for place in range(60)]  # rows 0 to 2, and 3 to 5, begin alike
    shown = {str(place): prompt("a", titles[place], history=histories[place]) for place in range(60)}
    table, labels = table_of(shown), rows_of(60)

    def n_named(draw: Draw) -> tuple[int, int]:
        rows = labelled_prompts(table, labels, "train", draw, seed=0).prompts
        return sum(parts[3].text == "x" for parts in rows), len(rows)

    assert n_named(Draw(20))[0] < 6
    assert n_named(Draw(20, named_share=0.2)) == (4, 20)
    assert n_named(Draw(20, named_share=1.0)) == (6, 20)  # there are no more
    assert n_named(Draw(20, named_share=1.0, shown=Budget(evidence_users=0)))[0] == n_named(Draw(20))[0]
    assert n_named(Draw(12, together=3, named_share=0.25)) == (3, 12)  # a whole run of theirs
    assert n_named(Draw(58, named_share=0.05)) == (4, 58)  # 54 others, and so some more


def test_rows_are_drawn_in_runs_that_begin_alike_so_that_many_beginnings_are_learned_from() -> None:
    """Twelve users like a title after each of eight rows; their last one to three are shown: three rows begin alike."""
    histories = [[f"{user}-{title}" for title in range(row)] for user in range(12) for row in range(1, 9)]
    shuffled = np.random.default_rng(0).permutation(96)
    shown = {str(name): prompt(history=histories[place]) for name, place in enumerate(shuffled.tolist())}
    window = Budget(history_titles=1, history_step=3)

    def drawn(together: int) -> list[int]:
        draw = Draw(24, together, shown=window)
        rows = labelled_prompts(table_of(shown), rows_of(96), "train", draw, seed=3)
        shown_first = [fit(parts, window, lambda _: 0).segments[0].text for parts in rows.prompts]
        return sorted(np.unique(shown_first, return_counts=True)[1].tolist())

    assert drawn(together=16).count(3) >= 6
    assert len(drawn(together=1)) > len(drawn(together=2)) > len(drawn(together=16))
