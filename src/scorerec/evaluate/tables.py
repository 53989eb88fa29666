"""Results as plain tables: rows for terminals and pages (``*_rows``), Markdown, and flat records for CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from scorerec.evaluate.results import (
    Comparison,
    Difference,
    Informativeness,
    Interval,
    Measured,
)

TableRow = dict[str, str]
NONE = "–"


def headline_rows(comparison: Comparison) -> list[TableRow]:
    """Return one row of text per method: metrics with 95% intervals, and seconds."""
    return [
        {
            "method": result.method,
            "AUC": with_interval(result.auc, result.auc_interval),
            "UAUC": with_interval(result.uauc, result.uauc_interval),
            "log loss": number(result.log_loss),
            "calibration error": number(result.calibration_error),
            "seconds": seconds(result.seconds),
        }
        for result in comparison.methods
    ]


def difference_rows(comparison: Comparison, against: str) -> list[TableRow]:
    """Return one row per method: its paired differences to the method ``against``."""
    own = [entry for entry in comparison.differences if entry.against == against]
    found = {(entry.method, entry.metric): entry for entry in own}
    rows = []
    for method in dict.fromkeys(entry.method for entry in own):
        row = {f"difference to {against}": method}
        for metric in ("auc", "uauc"):
            entry = found.get((method, metric))
            row[metric.upper()] = signed(entry)
            row[f"p ({metric.upper()})"] = NONE if entry is None else p_value(entry.p_value)
        rows.append(row)
    return rows


def slice_rows(comparison: Comparison) -> list[TableRow]:
    """Return one row per slice: its size, then AUC / UAUC of every method."""
    rows: dict[str, TableRow] = {}
    for result in comparison.slices:
        row = rows.setdefault(
            result.slice,
            {
                "slice": result.slice,
                "rows": f"{result.n_rows:,}",
                "users counted": f"{result.n_users_counted:,} of {result.n_users:,}",
            },
        )
        row[result.method] = f"{number(result.auc)} / {number(result.uauc)}"
    return list(rows.values())


def informativeness_rows(found: Sequence[Informativeness]) -> list[TableRow]:
    """Return one row per feature of the evidence, with one AUC per split, training first."""
    splits = dict.fromkeys(entry.split for entry in found)
    rows: dict[tuple[str, str], TableRow] = {}
    for entry in found:
        empty = {"evidence": entry.evidence, "feature": entry.feature} | dict.fromkeys(splits, NONE)
        rows.setdefault((entry.evidence, entry.feature), empty)[entry.split] = number(entry.auc)
    return list(rows.values())


def users_left_out(measured: Measured) -> str:
    """Say who is in UAUC and who is not.

    >>> from scorerec.evaluate.measure import measure
    >>> users_left_out(measure(["a", "a", "b"], [1, 0, 1], [0.9, 0.1, 0.5]))
    'UAUC counts 1 of 2 users (2 of 3 rows); left out: 1 with one row, 0 with one class'
    """
    return (
        f"UAUC counts {measured.n_users_counted:,} of {measured.n_users:,} users "
        f"({measured.n_rows_counted:,} of {measured.n_rows:,} rows); left out: "
        f"{measured.left_out.one_row:,} with one row, {measured.left_out.one_class:,} with one class"
    )


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    r"""Return rows as a Markdown table; the first column is left-aligned, the others right.

    >>> print(markdown([{"method": "a|b", "AUC": "0.7"}]))
    | method | AUC |
    | --- | ---: |
    | a\|b | 0.7 |
    """
    if not rows:
        return ""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1)]
    lines += [[row.get(column, NONE) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV, every number in full precision; what a row lacks is empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with fixed digits, or a dash."""
    return NONE if value is None else f"{value:.{digits}f}"


def seconds(value: float | None) -> str:
    """Return seconds as a reader wants them: one digit behind the point below ten."""
    if value is None:
        return NONE
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def with_interval(value: float | None, interval: Interval | None) -> str:
    """Return ``0.7094 [0.6950, 0.7240]``."""
    bounds = "" if interval is None else f" [{interval.low:.4f}, {interval.high:.4f}]"
    return number(value) + bounds


def p_value(value: float | None) -> str:
    """Return a p-value; tiny ones as a bound."""
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def signed(entry: Difference | None) -> str:
    """Return ``+0.0094 [-0.0010, +0.0200]``."""
    if entry is None:
        return NONE
    bounds = "" if entry.interval is None else f" [{entry.interval.low:+.4f}, {entry.interval.high:+.4f}]"
    return f"{entry.value:+.4f}{bounds}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
