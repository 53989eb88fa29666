"""What two files of one's own look like: which column is what, and the unit of time; and what cannot be told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from scorerec.core.config import validate
from scorerec.core.errors import DataError, UnclearError
from scorerec.data.form import NAMES, Chosen, FoundFile, form_settings, normal, read_file
from scorerec.data.origin import Origin
from scorerec.data.raw import UNITS_PER_SECOND, iso_seconds
from scorerec.data.sources.tabular import TabularFiles

_EARLIEST, _LATEST = 100_000_000, 4_102_444_799  # UTC seconds: 1973 to 2099
_FEW_VALUES = 101  # as many as a scale of ratings has at most
_ENOUGH = 0.95  # share of a column that decides what the column is; the reader names the rows that are otherwise


@dataclass(frozen=True)
class Inspection:
    """What two files were taken for.

    Attributes:
        source: the settings that read them; its files are absolute.
        lines: what was taken for what, in words.
    """

    source: TabularFiles
    lines: tuple[str, ...]


def inspect_files(ratings: Path, items: Path, chosen: Chosen) -> Inspection:
    """Look at a ratings file and an items file.

    Args:
        ratings: text or Parquet; one row per rating.
        items: likewise; one row per item.
        chosen: answers by key, those of ``ANSWERS`` up to the title.

    Raises:
        UnclearError: something cannot be told, and is not among ``chosen``.
        DataError: a file cannot be used.
    """
    rated, listed = read_file(ratings, "", chosen), read_file(items, "items-", chosen)
    roles = _roles(rated, listed, chosen)
    unit = _time_unit(rated.frame[roles["time"]], rated.origin, chosen)
    catalogue_id = _catalogue_id(rated.frame[roles["item"]], listed, chosen)
    title = _title(listed, catalogue_id, chosen)
    columns = {
        "user_id": roles["user"],
        "item_id": roles["item"],
        "rating": roles.get("rating"),
        "label": roles.get("label"),
        "timestamp": roles["time"],
        "catalogue_item_id": None if catalogue_id == roles["item"] else catalogue_id,
        "title": title,
    }
    lists = _lists(listed.frame, (catalogue_id, title))
    settings = {"columns": columns, "timestamp_unit": unit, "lists": lists, **form_settings(rated, listed)}
    taken = ", ".join(f"{role} = {column}" for role, column in roles.items())
    lines = (
        rated.describe(),
        f"  taken: {taken}; times in {unit}",
        listed.describe(),
        f"  taken: item = {catalogue_id}, title = {title}" + "".join(f", a list in {name}" for name in lists),
    )
    return Inspection(validate(TabularFiles, settings, "what was found or said of the files"), lines)


def _roles(rated: FoundFile, listed: FoundFile, chosen: Chosen) -> dict[str, str]:
    """Return the columns of the ratings: user, item, time, and rating or label."""
    found: dict[str, str] = {}
    for role in ("user", "item", "time", "rating", "label"):
        if role == "label" and "rating" in found and role not in chosen:
            break
        if column := _chosen(role, rated, chosen) or _named(role, rated, set(found.values())):
            found[role] = column
    if "label" in chosen:
        found.pop("rating", None)
    frame = rated.frame
    by_content = {
        "time": lambda left: [name for name in left if _fitting_unit(frame[name])],
        "item": lambda left: _in_catalogue(frame.select(left), listed.frame),
        "rating": lambda left: [name for name in left if _is_scale(frame[name])],
        "user": lambda left: left,
    }
    for role, candidates in by_content.items():
        if role in found or (role == "rating" and "label" in found):
            continue
        left = [name for name in frame.columns if name not in found.values()]
        fitting = candidates(left)
        if len(fitting) != 1:
            raise UnclearError(role, f"{rated.origin.path}: which column is the {role}", fitting or left)
        found[role] = fitting[0]
    return found


def _chosen(role: str, file: FoundFile, chosen: Chosen) -> str | None:
    column = chosen.get(role)
    if column is not None and column not in file.frame.columns:
        raise DataError(f"{file.origin.path}: no column {column!r} for {role}; the file has {file.frame.columns}")
    return column


def _named(role: str, file: FoundFile, taken: Collection[str]) -> str | None:
    """Return the column whose name says that it is this; None where none does."""
    found = [name for name in file.frame.columns if normal(name) in NAMES[role] and name not in taken]
    if len(found) > 1:
        raise UnclearError(role, f"{file.origin.path}: which column is the {role}", found)
    return found[0] if found else None


def _in_catalogue(rated: pl.DataFrame, listed: pl.DataFrame) -> list[str]:
    """Return the columns of which nearly all values are in a column of the items; ratings only if nothing else is."""
    found = [name for name in rated.columns if max(_overlap(rated[name], column) for column in listed) >= _ENOUGH]
    return [name for name in found if not _is_scale(rated[name])] or found


def _overlap(values: pl.Series, column: pl.Series) -> float:
    """Return the share of the different ``values`` that are in ``column``; types without text have none."""
    if values.dtype.is_nested() or column.dtype.is_nested():
        return 0.0
    wanted = values.cast(pl.String).drop_nulls().unique()
    return float(wanted.is_in(column.cast(pl.String).unique().implode()).mean() or 0)  # type: ignore[arg-type]


def _numbers(values: pl.Series) -> pl.Series | None:
    """Return a column as numbers; None where it is not nearly all numbers."""
    if values.dtype.is_nested() or values.dtype.is_temporal():
        return None
    numbers = values.cast(pl.Float64, strict=False)
    return numbers if numbers.count() >= _ENOUGH * max(values.len(), 1) else None


def _is_scale(values: pl.Series) -> bool:
    return _numbers(values) is not None and values.n_unique() <= _FEW_VALUES


def _fitting_unit(values: pl.Series) -> str | None:
    """Return the unit in which a column's times are in our time; None where there is none."""
    if values.dtype in (pl.Date, pl.Datetime):
        return "s"
    if (numbers := _numbers(values)) is not None:
        middle = float(numbers.median() or 0)  # type: ignore[arg-type]  # of numbers
        return next((unit for unit, n in UNITS_PER_SECOND.items() if _EARLIEST <= middle / n <= _LATEST), None)
    if values.dtype != pl.String:
        return None
    parsed = pl.select(iso_seconds(pl.lit(values))).to_series()
    return "iso" if parsed.count() >= _ENOUGH * values.len() else None


def _time_unit(values: pl.Series, origin: Origin, chosen: Chosen) -> str:
    """Return the unit of the times."""
    if unit := chosen.get("time-unit") or _fitting_unit(values):
        return unit
    example = values.drop_nulls()[0] if values.count() else None
    numbers = _numbers(values)
    if numbers is None or 19_000_101 <= float(numbers.median() or 0) <= 21_001_231:  # type: ignore[arg-type]
        raise DataError(
            f"{origin.path}: {values.name} has times such as {example!r}, wanted seconds since 1970 or ISO 8601 text "
            "such as 2024-12-31 23:59:59; convert them, or name another column: --take time=..."
        )
    question = f"{origin.path}: {values.name} has times such as {example}: in which unit since 1970 are they"
    raise UnclearError("time-unit", question, tuple(UNITS_PER_SECOND))


def _catalogue_id(rated: pl.Series, listed: FoundFile, chosen: Chosen) -> str:
    """Return the column of the items that has the ids of the ratings."""
    if column := _chosen("items-id", listed, chosen):
        return column
    shares = {column.name: _overlap(rated, column) for column in listed.frame}
    best = max(shares.values())
    found = [name for name, share in shares.items() if share == best]
    if best and rated.name in found:
        return rated.name
    if not best or len(found) > 1:
        question = f"{listed.origin.path}: which column has the item ids that {rated.name} of the ratings has"
        raise UnclearError("items-id", question, found if best else listed.frame.columns)
    return found[0]


def _title(listed: FoundFile, catalogue_id: str, chosen: Chosen) -> str:
    """Return the column of the titles: by its name, or because no other text differs between nearly all items."""
    if column := _chosen("title", listed, chosen) or _named("title", listed, {catalogue_id}):
        return column
    texts = [
        column.name
        for column in listed.frame
        if column.name != catalogue_id and column.dtype == pl.String and _numbers(column) is None
    ]
    telling = [name for name in texts if listed.frame[name].n_unique() >= 0.9 * listed.frame.height]
    if len(telling) == 1:
        return telling[0]
    raise UnclearError("title", f"{listed.origin.path}: which column is the title", telling or texts)


def _lists(listed: pl.DataFrame, taken: Collection[str]) -> dict[str, str]:
    """Return the columns of text that have several values between bars in at least a fifth of the rows."""
    texts = [column for column in listed if column.name not in taken and column.dtype == pl.String]
    return {column.name: "|" for column in texts if (column.str.contains("|", literal=True).mean() or 0) >= 0.2}  # type: ignore[operator]
