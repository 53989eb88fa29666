"""What every source hands over, and the one place where text of a file becomes numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import polars as pl

from scorerec.core.errors import DataError
from scorerec.data.origin import Origin

TimestampUnit: TypeAlias = Literal["s", "ms", "us", "ns", "iso"]
UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Polars panics on some damaged Parquet files.
_READING_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
_TEXT = ("text", "integers")
_TIMES = ("text", "times")
_NUMBER = ("text", "integers", "numbers", "nothing")
_PLAUSIBLE = (-2_208_988_800, 4_102_444_799)  # UTC seconds: from 1900 to the end of 2099
_RATINGS, _ITEMS = Origin(Path("ratings")), Origin(Path("items"))  # of tables made in memory


@dataclass(frozen=True)
class RawTables:
    """The tables of one source, before labels and splits.

    Attributes:
        ratings: position (row in the file, from 0), user_id and item_id (text), rating f32 or null,
            label i8 or null, timestamp i64 (UTC seconds); in file order.
        items: item_id and title (text), then the source's metadata; in file order.
        ratings_from: the file of the ratings, for messages.
        items_from: the file of the items, likewise.
    """

    ratings: pl.DataFrame
    items: pl.DataFrame
    ratings_from: Origin = _RATINGS
    items_from: Origin = _ITEMS


def require_file(path: Path, advice: str) -> Path:
    """Return ``path`` if it is a file that holds something.

    Raises:
        DataError: it is missing or empty; the message ends with ``advice``.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; {advice}")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; {advice}")
    return path


def collect(scan: pl.LazyFrame, origin: Origin) -> pl.DataFrame:
    """Read a scan in streaming batches.

    Raises:
        DataError: the file cannot be read, or has no rows.
    """
    try:
        frame = scan.collect(engine="streaming")
    except _READING_FAULTS as error:
        raise origin.unreadable(error) from None
    if frame.is_empty():
        raise DataError(f"{origin.path}: wanted at least one row, found none; set data.path to data that has rows")
    return frame


def column_types(scan: pl.LazyFrame, origin: Origin) -> pl.Schema:
    """Return the names and types of a scan's columns.

    Raises:
        DataError: the file's header cannot be read.
    """
    try:
        return scan.collect_schema()
    except _READING_FAULTS as error:
        raise origin.unreadable(error) from None


def parse_ratings(scan: pl.LazyFrame, origin: Origin, timestamp_unit: TimestampUnit = "s") -> pl.DataFrame:
    """Turn a scan with the columns of ``RawTables.ratings``, usually all text, into that table.

    The file is passed over once; a second time only to find the row of a fault.

    Args:
        scan: user_id, item_id, timestamp and, where the source has them, rating and label.
        origin: the file, for messages.
        timestamp_unit: unit of numeric timestamps; ``iso`` for ISO 8601 text, UTC where it names no zone.

    Raises:
        DataError: an id or a timestamp is empty, a value cannot be read as what it should be, or a time is not
            of these two centuries.
    """
    schema = column_types(scan, origin)
    parsed = {
        "user_id": text_column("user_id", schema, origin),
        "item_id": text_column("item_id", schema, origin),
        "rating": _number("rating", schema, _NUMBER, origin),
        "label": _whole(_number("label", schema, (*_NUMBER, "booleans"), origin)),
        "timestamp": _timestamp(schema["timestamp"], timestamp_unit, origin),
    }
    numbered = scan.with_row_index("position")
    frame = collect(numbered.select("position", **parsed), origin)
    for name, expression in parsed.items():
        if name in schema.names() and frame[name].null_count():
            _refuse_unreadable(numbered, name, expression, origin)
    _refuse_implausible_times(frame, timestamp_unit, origin)
    return frame


def text_column(name: str, schema: pl.Schema, origin: Origin) -> pl.Expr:
    """Return a column of ids or titles as text, null where it is empty.

    Args:
        name: of the column.
        schema: types of the columns of the file.
        origin: the file, for messages.

    Raises:
        DataError: the column is neither text nor integers: 7.0 and 7 would be two ids.
    """
    _require_kind(name, schema[name], _TEXT, origin)
    text = pl.col(name).cast(pl.String)
    return pl.when(text != "").then(text)


def _require_kind(name: str, dtype: pl.DataType, wanted: tuple[str, ...], origin: Origin) -> None:
    """Raise for a column, of a Parquet file, whose type cannot be meant: a date is no rating."""
    kinds = {
        "text": dtype == pl.String,
        "integers": dtype.is_integer(),
        "numbers": dtype.is_numeric() and not dtype.is_integer(),
        "booleans": dtype == pl.Boolean,
        "times": dtype in (pl.Date, pl.Datetime),
        "nothing": dtype == pl.Null,
    }
    if not any(kinds[kind] for kind in wanted):
        raise DataError(f"{origin.path}: column {name} is {dtype}; wanted {' or '.join(wanted)}; convert it first")


def _number(name: str, schema: pl.Schema, kinds: tuple[str, ...], origin: Origin) -> pl.Expr:
    if name not in schema.names():
        return pl.lit(None, dtype=pl.Float32)
    _require_kind(name, schema[name], kinds, origin)
    number = pl.col(name).cast(pl.Float32, strict=False)
    return pl.when(number.is_finite()).then(number)


def _whole(number: pl.Expr) -> pl.Expr:
    """Return ``number`` as i8, null where it has a fraction or does not fit."""
    return pl.when(number == number.floor()).then(number.cast(pl.Int8, strict=False))


def _timestamp(dtype: pl.DataType, unit: TimestampUnit, origin: Origin) -> pl.Expr:
    _require_kind("timestamp", dtype, _TIMES if unit == "iso" else (*_TIMES, "integers", "numbers"), origin)
    column = pl.col("timestamp")
    if dtype.is_temporal():
        return column.cast(pl.Datetime("us")).dt.epoch("s") if dtype == pl.Date else column.dt.epoch("s")
    if unit == "iso":
        return iso_seconds(column)
    whole = column.cast(pl.Int64, strict=False)
    number = pl.coalesce(whole, column.cast(pl.Float64, strict=False).floor().cast(pl.Int64, strict=False))
    return number.floordiv(UNITS_PER_SECOND[unit])


def iso_seconds(column: pl.Expr) -> pl.Expr:
    """Return ISO 8601 text as UTC seconds, null where it is none: 03/04/2020 would be one day or another."""
    text = pl.when(column.str.contains(r"^\s*\d{4}-\d")).then(column)
    return text.str.to_datetime(time_unit="us", time_zone="UTC", strict=False).dt.epoch("s")


def _refuse_unreadable(numbered: pl.LazyFrame, name: str, expression: pl.Expr, origin: Origin) -> None:
    """Raise for the first row whose ``name`` is filled but unreadable, or empty where it is needed."""
    is_fault = expression.is_null()
    if name in ("rating", "label"):
        is_fault = is_fault & pl.col(name).is_not_null() & (pl.col(name).cast(pl.String) != "")
    faults = numbered.filter(is_fault).select("position", pl.col(name).cast(pl.String)).head(1).collect()
    if faults.is_empty():
        return
    position, value = faults.row(0)
    came = "is empty" if value in (None, "") else f"cannot be read: {value!r}"
    raise DataError(f"{origin.row(position)}: {name} {came}; {_way_out(name, value)}")


def _way_out(name: str, value: str | None) -> str:
    """Return what to do about text that is no number."""
    if name == "timestamp" and re.search(r"\d\D+\d", value or ""):
        if pl.select(iso_seconds(pl.lit(value))).item() is not None:
            return 'set data.source.timestamp_unit = "iso" where all are such text, or correct the row'
        return "write times as numbers, or as ISO 8601 text, such as 2024-12-31 23:59:59"
    if name == "rating" and re.fullmatch(r"\d+,\d+", value or ""):
        return "write numbers with a point"
    return "correct or remove the row"


def _refuse_implausible_times(ratings: pl.DataFrame, unit: TimestampUnit, origin: Origin) -> None:
    """Raise for the first time outside of 1900 to 2099, which is nearly always one in another unit."""
    faults = ratings.select("position", "timestamp").filter(~pl.col("timestamp").is_between(*_PLAUSIBLE))
    if faults.is_empty():
        return
    position, seconds = faults.row(0)
    written = seconds * UNITS_PER_SECOND.get(unit, 1)
    units = (name for name, parts in UNITS_PER_SECOND.items() if 0 <= written // parts <= _PLAUSIBLE[1])
    fitting = next(units, None)
    advice = f'set data.source.timestamp_unit = "{fitting}" where the source has it, or ' if fitting else ""
    raise DataError(
        f"{origin.row(position)}: timestamp {written} is no time from 1900 to 2099 in the unit {unit!r} "
        f"({faults.height} of {ratings.height} rows); {advice}correct the rows"
    )
