"""What collaborative information gives the language model, overall and where it names the target: below Table 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scorerec.evaluate.results import PairedDifference
from scorerec.evaluate.seeds import Seeded, difference
from scorerec.evaluate.significance import METRICS
from scorerec.evaluate.tables import p_value
from scorerec.reproduce.plan import WITH_CI, WITHOUT_CI, Row
from scorerec.reproduce.records import Part
from scorerec.reproduce.summary import Records, seeded, seeded_parts


def gain_lines(rows: Sequence[Row], records: Records, seeds: Sequence[int]) -> list[str]:
    """Return, for each row with collaborative information, what it is above the LM without any; empty without records.

    Args:
        rows: of the table.
        records: all that are kept.
        seeds: of the table; a difference is over those that both rows have.
    """
    names = {row.key: row.name for row in rows}
    found = []
    for key in (key for key in WITH_CI if key in names):
        both = [seed for seed in seeds if {(key, seed), (WITHOUT_CI, seed)} <= records.keys()]
        pair = [seeded(records, one, both) for one in (key, WITHOUT_CI)]
        parts = [_named(records, one, key, both) for one in (key, WITHOUT_CI)]
        overall, named = (_differences(*sides) for sides in (pair, [seeded_parts(part) for part in parts]))
        if not overall:
            continue
        text = f"**Collaborative information.** {names[key]} minus {names[WITHOUT_CI]}: {_said(overall)}."
        if named:
            count = sum(part.measured.n_rows for part in parts[0].values()) / len(parts[0])
            text += f" On the {count:,.0f} rows whose evidence tells of the target: {_said(named)}."
        found.append(text)
    return found


def _named(records: Records, key: str, evidence: str, seeds: Sequence[int]) -> dict[int, Part]:
    """Return seed -> a row on the rows that the evidence of another one, or its own, names the target of."""
    kept = {seed: records[key, seed].named for seed in seeds}
    return {seed: parts[evidence] for seed, parts in kept.items() if evidence in parts}


def _differences(method: Seeded | None, against: Seeded | None) -> dict[str, PairedDifference]:
    """Return metric -> difference; nothing where one of the two is missing, or they are of other rows."""
    if method is None or against is None or method.rows != against.rows:
        return {}
    found = {metric: difference(method, against, metric) for metric in METRICS}
    return {metric: one for metric, one in found.items() if one is not None}


def _said(found: Mapping[str, PairedDifference]) -> str:
    parts = []
    for metric, one in found.items():
        bounds = "" if one.interval is None else f" [{one.interval.low:+.4f}, {one.interval.high:+.4f}]"
        parts.append(f"{one.value:+.4f} {metric.upper()}{bounds}, p {p_value(one.p_value)}")
    seeds = next(iter(found.values())).n_seeds
    return f"{'; '.join(parts)} ({seeds} seed{'s' if seeds > 1 else ''}, p not corrected)"
