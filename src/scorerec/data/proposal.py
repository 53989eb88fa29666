"""How a source may be labelled and divided: what is proposed, and the counts that it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from scorerec.core.config import validate
from scorerec.core.errors import DataError, UnclearError
from scorerec.data.form import Chosen
from scorerec.data.plausible import Scale
from scorerec.data.prepare import DataConfig, prepare_raw
from scorerec.data.raw import RawTables
from scorerec.data.sources.tabular import TabularFiles

_SPLITS = ("time-fractions", "user-time")
_ENOUGH_KNOWN = 0.5  # share of the rows of validation and test whose user has training rows
_FEW_VALUES = 12  # whose shares fit a line


@dataclass(frozen=True)
class Proposal:
    """How a source may be used.

    Attributes:
        settings: of ``data``, without the source: what differs from the defaults, and what was proposed.
        reasons: setting -> the counts behind it, in words.
        lines: what was found, in words.
        parts: the split that is proposed: train, valid and test with their counts, as in the notes of ``prepare``.
    """

    settings: dict[str, Any]
    reasons: dict[str, str]
    lines: tuple[str, ...]
    parts: dict[str, Any]


def propose(raw: RawTables, source: TabularFiles, chosen: Chosen) -> Proposal:
    """Propose what to do with doubtful rows, a threshold and a split.

    Args:
        raw: what ``source`` reads.
        source: the settings of the source.
        chosen: answers by key, those of ``ANSWERS`` behind the title.

    Raises:
        UnclearError: rows cannot be meant, and nothing says what is to happen to them.
        DataError: no threshold or no split makes parts that can be used.
    """
    settings, reasons = _policies(raw, chosen)
    settings["label"], reasons["label"], line = _label(raw, source, chosen)
    found = {by: _tried(raw, source, {**settings, "split": {"by": by}}) for by in _wanted_splits(chosen)}
    usable = {by: notes for by, notes in found.items() if isinstance(notes, dict)}
    if not usable:
        raise DataError(f"no split can be proposed: {'; '.join(map(str, found.values()))}")
    by = _best(usable)
    settings["split"] = {"by": by}
    reasons["split"] = "\n".join(_described(name, notes) for name, notes in found.items())
    lines = (line, *(_described(name, notes) for name, notes in found.items()), f"taken: {by}")
    warnings = tuple(f"Warning: {warning}" for warning in usable[by]["warnings"])
    return Proposal(settings, reasons, (*lines, *warnings), usable[by]["parts"])


def _policies(raw: RawTables, chosen: Chosen) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what is to happen to rows and items that cannot be used as they are; default where there are none."""
    titled = raw.items.filter(pl.col("title").str.strip_chars().fill_null("") != "")
    known = raw.ratings.join(titled.select("item_id").unique(), on="item_id", how="semi")
    n_repeats = known.height - known.select("user_id", "item_id").n_unique()
    doubts: Sequence[tuple[str, int, str, tuple[str, ...]]] = (
        ("untitled_items", raw.items.height - titled.height, "items have no title", ("drop",)),
        ("repeated_items", titled.height - titled["item_id"].n_unique(), "items have a second entry", ("first",)),
        ("unknown_items", raw.ratings.height - known.height, "ratings are of items without an entry", ("drop",)),
        ("repeats", n_repeats, "ratings are another of the same user and item", ("keep", "first", "last")),
    )
    settings, reasons = {}, {}
    for name, count, what, options in doubts:
        if not count:
            continue
        option, words = name.replace("_", "-"), f"{count:,} {what}"
        if option not in chosen:
            raise UnclearError(option, f"{words}: what is to happen to them", options)
        settings[name], reasons[name] = chosen[option], words
    return settings, reasons


def _label(raw: RawTables, source: TabularFiles, chosen: Chosen) -> tuple[dict[str, Any], str, str]:
    """Return the settings of the label, the counts behind them, and both in words."""
    if source.columns.label is not None:
        return {"kind": "given"}, f"as {source.columns.label} says", f"labels: as {source.columns.label} says"
    ratings = raw.ratings["rating"].drop_nulls()
    if ratings.is_empty():
        raise DataError(
            f"{raw.ratings_from.path}: wanted ratings, {source.columns.rating} is empty; name another column: "
            "--take rating=..."
        )
    scale = Scale.of(ratings)
    threshold = _number(chosen["threshold"]) if "threshold" in chosen else scale.threshold
    if threshold is None:
        raise DataError(f"{raw.ratings_from.path}: {scale.describe()}; {scale.advice()}")
    steps = sorted({threshold, *(ratings.unique() if scale.n_values <= _FEW_VALUES else ())}, reverse=True)
    shares = ", ".join(f"{step:g} or more: {(ratings >= step).sum() / ratings.len():.1%}" for step in steps)
    words = f"{scale.describe()}; {shares}"
    return {"threshold": threshold}, words, f"liked: rating >= {threshold:g}; {words}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"threshold={text}: wanted a number on the scale of the ratings") from None


def _wanted_splits(chosen: Chosen) -> tuple[str, ...]:
    return (chosen["split"],) if "split" in chosen else _SPLITS


def _tried(raw: RawTables, source: TabularFiles, settings: Mapping[str, Any]) -> dict[str, Any] | str:
    """Return the notes of ``prepare``, or why it cannot be done."""
    config = validate(DataConfig, {"source": source.model_dump(), **settings}, "what was found or said of the files")
    try:
        prepared = prepare_raw(raw, config)
    except DataError as error:
        return str(error)
    return prepared.fault or prepared.notes


def _best(usable: Mapping[str, dict[str, Any]]) -> str:
    """Return time-fractions, where no row is later than one it is judged by, unless too few of its users are known."""
    for by, notes in usable.items():
        if by != "time-fractions" or min(_known(notes)) >= _ENOUGH_KNOWN:
            return by
    return next(iter(usable))


def _described(by: str, notes: dict[str, Any] | str) -> str:
    if isinstance(notes, str):
        return f"{by}: impossible: {notes}"
    parts = [
        f"{name} {part['rows']:,} rows ({part['positive_rate']:.0%} liked)" for name, part in notes["parts"].items()
    ]
    valid, test = _known(notes)
    return f"{by}: {', '.join(parts)}; of users with training rows are {valid:.0%} of valid and {test:.0%} of test"


def _known(notes: Mapping[str, Any]) -> list[float]:
    return [notes["parts"][name]["known_users"] for name in ("valid", "test")]
