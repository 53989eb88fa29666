"""One HTML page about one run, self-contained: no request, readable on a desk and on a phone, and without its script.

``render_report`` is a pure function of ``ReportData``; the page is ``report.html`` beside this file, with
``report.css`` and ``report.js`` in it and every value escaped. Further sections need a field here and a block there.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scorerec.evaluate import tables
from scorerec.evaluate.examples import Example
from scorerec.evaluate.health import health_row, reason_rows
from scorerec.evaluate.informativeness import SUSPICIOUS_GAP
from scorerec.evaluate.plots import Plot
from scorerec.evaluate.results import Comparison, Health, Informativeness, MethodResult, Signal
from scorerec.evaluate.signal import alike_rows, count_rows, difference_rows, ranking_rows
from scorerec.text.cleaning import shorten
from scorerec.text.segments import Segment, render

_TITLE = 120  # characters that are shown of a title; the prompt alone is shown whole


@dataclass(frozen=True)
class ReportData:
    """Everything that the page says. Facts may be nested: a mapping, a list or a single value each.

    Attributes:
        title: such as "SCORE on MovieLens-100K".
        comparison: the methods on the test rows.
        summary: what was run, and on what: label -> text, shown first (data, split, backbone, seed, date).
        stand_ins: what is not what the paper used, shown before any number, such as "toy LM: a stand-in,
            not a pretrained LLM".
        warnings: what a reader must know before trusting the numbers.
        verdict: what the table of methods allows to be said, shown below it.
        informativeness: how well the evidence alone tells the labels, per split.
        health: whether the language models read, one entry each.
        signal: whether the recommender tells users apart, and what the users found by each way know of the target.
        plots: pictures, already drawn.
        stages: one row of text per stage, as its column names say: seconds, tokens.
        costs: the same per method: what training and scoring took.
        facts: stage -> what it reported about itself.
        configuration: the resolved configuration.
        examples: some rows with their evidence.
    """

    title: str
    comparison: Comparison
    summary: Mapping[str, str] = field(default_factory=dict)
    stand_ins: Sequence[str] = ()
    warnings: Sequence[str] = ()
    verdict: Sequence[str] = ()
    informativeness: Sequence[Informativeness] = ()
    health: Sequence[Health] = ()
    signal: Signal | None = None
    plots: Sequence[Plot] = ()
    stages: Sequence[tables.TableRow] = ()
    costs: Sequence[tables.TableRow] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    configuration: Mapping[str, object] = field(default_factory=dict)
    examples: Sequence[Example] = ()


class Whisker(NamedTuple):
    """A value and its interval as percent of the common axis."""

    low: float
    value: float
    high: float


def render_report(data: ReportData) -> str:
    """Return the page.

    The data decides it alone: equal data, equal text.
    """
    environment = Environment(
        loader=PackageLoader("scorerec.evaluate", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=tables.number,
        seconds=tables.seconds,
        plain=plain,
        pieces=prompt_pieces,
        kind=kind,
        columns=columns,
        shorten=partial(shorten, max_characters=_TITLE),
    )
    script = _part("report.js")
    return environment.get_template("report.html").render(
        data=data,
        style=_part("report.css"),
        script=script,
        # The browser runs this script and no other, whatever a title may hold.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        comparison=data.comparison,
        warnings=[*data.warnings, *suspicious_evidence(data.informativeness)],
        health_rows=[{"method": one.method, **health_row(one)} for one in data.health],
        reason_rows=reason_rows(data.health),
        whiskers={metric: whiskers(data.comparison.methods, metric) for metric in ("auc", "uauc")},
        left_out=_left_out(data.comparison),
        difference_tables=difference_tables(data.comparison),
        slice_rows=tables.slice_rows(data.comparison),
        signal=signal_tables(data.signal),
        informativeness_rows=tables.informativeness_rows(data.informativeness),
    )


def difference_tables(comparison: Comparison) -> dict[str, list[tables.TableRow]]:
    """Return method -> the paired differences of the others to it, for each that others are compared with."""
    bases = dict.fromkeys(entry.against for entry in comparison.differences)
    return {base: tables.difference_rows(comparison, base) for base in bases}


def signal_tables(found: Signal | None) -> dict[str, list[tables.TableRow]]:
    """Return the tables of the section on the signal, by caption; empty ones are left out."""
    if found is None:
        return {}
    spread = {
        "recommender": found.recommender,
        "mean cosine of two users": tables.number(found.spread.mean_cosine),
        "effective rank of states": tables.number(found.spread.effective_rank, 1),
        "share of score variance that is user x item": f"{found.spread.interaction_share:.2%}",
    }
    splits = dict.fromkeys(entry.split for entry in found.counts)
    shown = {
        "Does the recommender tell users apart?": [spread],
        "Does it rank what was liked next among the whole catalogue?": ranking_rows(found.rankings),
        "Are the users that are found alike?": alike_rows(found.alike),
    }
    shown |= {f"Do they know the target? {split} rows": count_rows(found.counts, split) for split in splits}
    shown["Does a step find more than the one before it?"] = difference_rows(found.differences)
    return {caption: rows for caption, rows in shown.items() if rows}


def suspicious_evidence(found: Sequence[Informativeness]) -> list[str]:
    """Return a warning for each kind of evidence that tells training labels much better than test labels."""
    known = {(entry.evidence, entry.feature, entry.split): entry.auc for entry in found}
    widest: dict[str, tuple[float, str, float, float]] = {}
    for (evidence, feature, split), train in known.items():
        test = known.get((evidence, feature, "test"))
        if split == "train" and train is not None and test is not None:
            widest[evidence] = max(widest.get(evidence, (0.0, "", 0.0, 0.0)), (train - test, feature, train, test))
    return [
        f"Evidence alone ({evidence}, {feature}) has AUC {train:.3f} on training rows and {test:.3f} on test "
        "rows: it may see what happened after a training row, and a model will trust it too much."
        for evidence, (gap, feature, train, test) in widest.items()
        if gap > SUSPICIOUS_GAP
    ]


def whiskers(methods: Sequence[MethodResult], metric: str) -> dict[str, Whisker]:
    """Return where each method's value and interval lie on an axis that just holds them all, in percent."""
    bounds = {}
    for result in methods:
        value, interval = getattr(result, metric), getattr(result, f"{metric}_interval")
        if value is not None and interval is not None:
            bounds[result.method] = (min(interval.low, value), value, max(interval.high, value))
    if not bounds:
        return {}
    low = min(bound[0] for bound in bounds.values())
    width = max(bound[2] for bound in bounds.values()) - low or 1.0
    return {
        method: Whisker(*(round(100 * (position - low) / width, 2) for position in bound))
        for method, bound in bounds.items()
    }


def prompt_pieces(segments: Sequence[Segment]) -> Iterator[Segment]:
    """Yield the prompt's parts so that their texts, one after the other, are exactly the rendered prompt.

    What stands between two titles of a list becomes a piece of wording.

    >>> parts = [Segment("history", "'A'", "1"), Segment("history", "'B'", "2"), Segment("wording", "]")]
    >>> [piece.text for piece in prompt_pieces(parts)]
    ["'A'", ', ', "'B'", ']']
    """
    previous: Segment | None = None
    for segment in segments:
        if previous is not None:
            joined = render([previous, segment])
            between = joined[len(previous.text) : len(joined) - len(segment.text)]
            if between:
                yield Segment("wording", between)
        yield segment
        previous = segment


def kind(value: object) -> str:
    """Return how a fact is laid out: ``mapping``, ``table`` (a list of mappings), or ``value``."""
    if isinstance(value, Mapping):
        return "mapping" if value else "value"
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return "table" if all(isinstance(entry, Mapping) for entry in value) else "value"
    return "value"


def columns(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return every key of the rows, in order of first appearance.

    >>> columns([{"epoch": 1}, {"epoch": 2, "auc": 0.7}])
    ['epoch', 'auc']
    """
    return list(dict.fromkeys(key for row in rows for key in row))


def plain(value: object) -> str:
    """Return a single fact as text.

    >>> [plain(value) for value in (0.1234567, 7331, 2013, True, None, [1, 2.5], {})]
    ['0.123457', '7,331', '2013', 'yes', '–', '1, 2.5', '–']
    """
    if value is None or (isinstance(value, Mapping | Sequence) and not value):
        return tables.NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if 1900 <= value < 2100 else f"{value:,}"  # 2013 is a year
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(plain(entry) for entry in value)
    return str(value)


def _part(name: str) -> Markup:
    return Markup((resources.files("scorerec.evaluate") / name).read_text(encoding="utf-8"))


def _left_out(comparison: Comparison) -> str:
    # The same rows for every method, so the same users.
    return tables.users_left_out(comparison.methods[0]) if comparison.methods else ""
