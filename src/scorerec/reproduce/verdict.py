"""What a table of SCORE's differences allows to be said: one line, which stands under it."""

from __future__ import annotations

from collections.abc import Sequence

from scorerec.evaluate.results import Difference
from scorerec.evaluate.verdict import said
from scorerec.reproduce.plan import REFERENCES, SCORE, Row
from scorerec.reproduce.summary import Line


def verdict_line(lines: Sequence[Line], ours: Row = SCORE) -> str:
    """Return what SCORE beats, and what not: the references with amounts, the other rows, which are many, by name.

    Args:
        lines: of the table. Their p-values, corrected for all rows of it, have a say.
        ours: the row that all are compared with.
    """
    means = [one for line in lines if line.row in REFERENCES for one in _differences(line, ours)]
    others = [
        one for line in lines if line.row not in REFERENCES for one in _differences(line, ours) if one.metric == "auc"
    ]
    if not means and not others:
        return f"No verdict: no row here was measured on the same rows as {ours.name}."
    parts = [f"{ours.name} {said(means)}."] if means else []
    if others:
        parts.append(f"Of the other rows, by AUC, {ours.name} {said(others, amounts=False)}.")
    return " ".join(parts)


def _differences(line: Line, ours: Row) -> list[Difference]:
    """Return SCORE minus the row in each metric."""
    return [
        Difference(
            method=ours.name,
            against=line.row.name,
            metric=metric,
            value=found.value,
            interval=found.interval,
            p_value=line.adjusted.get(metric),
        )
        for metric, found in line.differences.items()
    ]
