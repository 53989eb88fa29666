"""Files of one record per line, in JSON or as Python writes a dictionary, read in flat memory."""

from __future__ import annotations

import ast
import itertools
import json
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from scorerec.core.errors import DataError
from scorerec.core.progress import progress
from scorerec.data.origin import Origin, opened

_BATCH = 1 << 14  # records that are held as Python objects at a time
_SHOWN = 80  # characters of a faulty line or value that a message shows
_PARSING_FAULTS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a file.

    Attributes:
        values: what it holds, by key.
        origin: the file.
        position: of the line, from 0.
    """

    values: Mapping[str, Any]
    origin: Origin
    position: int

    def text(self, key: str) -> str | None:
        """Return a value as text; None where it is null.

        Raises:
            DataError: the record lacks the key, or the value is neither text nor a number.
        """
        if key not in self.values:
            raise self.fault(f"no key {key!r}; the record has {list(self.values)[:20]}")
        value = self.values[key]
        if value is not None and not isinstance(value, str | int | float):
            raise self.fault(f"wanted text or a number for {key!r}, found {_shown(value)}")
        return None if value is None else self._encodable(str(value), key)

    def texts(self, key: str) -> list[str]:
        """Return the texts of a list, or of lists in a list; none where the record lacks the key, or has null for it.

        Raises:
            DataError: the value is something else.
        """
        values = self.values.get(key) or []
        if not isinstance(values, list):
            raise self.fault(f"wanted a list of texts for {key!r}, found {_shown(values)}")
        flat = [text for member in values for text in (member if isinstance(member, list) else [member])]
        if not all(isinstance(text, str) for text in flat):
            raise self.fault(f"wanted texts alone in the list {key!r}, found {_shown(values)}")
        return [self._encodable(text, key) for text in flat]

    def fault(self, description: str) -> DataError:
        """Return the error that names this line."""
        return DataError(f"{self.origin.row(self.position)}: {description}; correct or remove the line")

    def _encodable(self, text: str, key: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self.fault(f"{key!r} holds half of a surrogate pair, which is no text: {_shown(text)}") from None
        return text


def read_records(origin: Origin, schema: pl.Schema, row: Callable[[Record], tuple[Any, ...]]) -> pl.DataFrame:
    """Read a file line by line into a table.

    Args:
        origin: the file, packed by gzip or not.
        schema: the columns of the table.
        row: turns a record into a row of it.

    Raises:
        DataError: the file cannot be read to its end, has no lines, or a line is no record; the message names it.
    """
    records = progress(_records(origin), f"reading {origin.path.name}", unit=" lines")
    frames = []
    while batch := [row(record) for record in itertools.islice(records, _BATCH)]:
        frames.append(pl.DataFrame(batch, schema=schema, orient="row"))
    if not frames:
        raise DataError(f"{origin.path}: wanted at least one row, found none; set data.path to data that has rows")
    return pl.concat(frames)


def _records(origin: Origin) -> Iterator[Record]:
    position = -1
    try:
        with opened(origin.path) as file:
            parse = None
            for position, line in enumerate(file):
                text = _decoded(line, origin, position).strip()
                parse = parse or _notation(text)
                yield Record(_parsed(text, parse, origin, position), origin, position)
    except (OSError, EOFError, zlib.error) as error:
        place = f"beyond row {position + origin.first_row}" if position >= 0 else "at all"
        raise DataError(f"{origin.path}: cannot be read {place}: {error}; fetch it again") from None


def _decoded(line: bytes, origin: Origin, position: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{origin.row(position)}: wanted text in UTF-8, found the byte 0x{line[error.start]:02x}; "
            "correct the file, save it as UTF-8, or fetch it again"
        ) from None


def _notation(first_line: str) -> Callable[[str], Any]:
    """Tell by the first line how a file is written: older ones hold Python dictionaries rather than JSON."""
    try:
        json.loads(first_line)
    except _PARSING_FAULTS:
        try:
            _literal(first_line)
        except _PARSING_FAULTS:
            return json.loads
        return _literal
    return json.loads


def _literal(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # a stray backslash in a description
        warnings.simplefilter("ignore", DeprecationWarning)  # the same, before Python 3.12
        return ast.literal_eval(text)


def _parsed(text: str, parse: Callable[[str], Any], origin: Origin, position: int) -> Mapping[str, Any]:
    kind = "a Python dictionary, as in row 1" if parse is _literal else "a JSON object"
    try:
        values = parse(text)
    except _PARSING_FAULTS as error:
        reason = getattr(error, "msg", None) or str(error) or type(error).__name__
        raise DataError(
            f"{origin.row(position)}: wanted {kind}, found {_shown(text)} ({reason}); "
            "correct or remove the line, or fetch the file again"
        ) from None
    if not isinstance(values, dict):
        raise DataError(f"{origin.row(position)}: wanted {kind}, found {_shown(text)}; correct or remove the line")
    return values


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
