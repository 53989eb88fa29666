"""In which form a file is written: encoding, separator, header; and what is asked where the file does not tell."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from scorerec.core.errors import DataError, UnclearError
from scorerec.data.delimited import UTF_8, fields, found_encoding, found_separators, head, is_number
from scorerec.data.origin import Origin
from scorerec.data.raw import collect, require_file
from scorerec.data.sources.tabular import default_separator, file_origin, scan_file

Chosen = Mapping[str, str]  # answers by what they are about
ANSWERS = {  # what can be said where files do not tell, or tell otherwise
    "separator": "between the fields of the ratings: ; or :: or \\t",
    "encoding": "of the ratings, such as utf-16",
    "header": "whether the ratings have a header line: yes or no",
    "user": "column of the ratings",
    "item": "column of the ratings",
    "rating": "column of the ratings",
    "label": "column of the ratings with 0 and 1, instead of a rating",
    "time": "column of the ratings",
    "time-unit": "s, ms, us, ns or iso",
    "items-separator": "between the fields of the items",
    "items-encoding": "of the items",
    "items-header": "whether the items have a header line: yes or no",
    "items-id": "column of the items",
    "title": "column of the items",
    "untitled-items": "drop",
    "repeated-items": "first",
    "unknown-items": "drop",
    "repeats": "keep, first or last",
    "threshold": "a rating of this or more is liked",
    "split": "time-fractions or user-time",
}
_YES_NO = ("yes", "no")
_THINGS = "item movie product article book track song game business anime recipe parent"
NAMES = {  # of columns, without what is neither letter nor digit
    role: frozenset(names.split())
    for role, names in {
        "user": "user users userid uid customer customerid member memberid reviewer reviewerid account accountid",
        "item": f"{_THINGS} {_THINGS.replace(' ', 'id ')}id asin parentasin isbn sku iid",
        "rating": "rating ratings score stars star starrating overall rate grade points bookrating",
        "label": "label liked like likes clicked click",
        "time": "timestamp time date datetime unixreviewtime createdat ratedat when ts",
        "title": "title name movietitle producttitle itemtitle booktitle itemname productname",
    }.items()
}


@dataclass(frozen=True)
class FoundFile:
    """A file that was read in the form it has; ``names`` are those of columns without a header line."""

    origin: Origin
    names: tuple[str, ...]
    frame: pl.DataFrame

    def describe(self) -> str:
        """Return the form in words."""
        if self.origin.separator is None:
            form = "Parquet"
        else:
            header = "without a header line" if self.names else "with a header line"
            form = f"{self.origin.encoding} text, {self.origin.separator!r} between the fields, {header}"
        return f"{self.origin.path}: {self.frame.height:,} rows; {form}; columns {', '.join(self.frame.columns)}"


def form_settings(rated: FoundFile, listed: FoundFile) -> dict[str, Any]:
    """Return the settings that say how the files are written; None where the default will do."""
    one, other = rated.origin, listed.origin
    separator = _unless(one.separator, default_separator(one.path))
    encoding = one.encoding or UTF_8
    return {
        "ratings": one.path.resolve(),
        "items": other.path.resolve(),
        "separator": separator,
        "encoding": encoding,
        "ratings_names": rated.names,
        "items_separator": _unless(other.separator, separator or default_separator(other.path)),
        "items_encoding": _unless(other.encoding, encoding),
        "items_names": listed.names,
    }


def _unless(value: str | None, default: str | None) -> str | None:
    return None if value == default else value


def read_file(path: Path, kind: str, chosen: Chosen) -> FoundFile:
    """Read a file in the form that it has.

    Args:
        path: text or Parquet.
        kind: how the keys of answers about this file begin: nothing, or ``items-``.
        chosen: answers by key.

    Raises:
        UnclearError: the form cannot be told, and is not among ``chosen``.
        DataError: the file cannot be read.
    """
    require_file(path, "name the ratings file and the items file")
    if path.suffix == ".parquet":
        origin = file_origin(path)
        return FoundFile(origin, (), collect(scan_file(origin), origin))
    encoding = chosen.get(f"{kind}encoding") or found_encoding(path)
    if encoding is None:
        raise UnclearError(f"{kind}encoding", f"{path} is not in UTF-8: in which encoding is it", ("cp1252", "latin-1"))
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise DataError(
            f"{kind}encoding={encoding}: no encoding that Python knows; such are cp1252 and utf-16"
        ) from None
    lines = head(Origin(path, encoding=encoding))
    if not lines:
        raise DataError(f"{path}: wanted at least one row, found none; name a file that has rows")
    separator = chosen.get(f"{kind}separator", "").replace("\\t", "\t") or _separator(path, lines, kind)
    first = fields(lines[0], separator)
    names = () if _has_header(path, [fields(line, separator) for line in lines[:2]], kind, chosen) else _numbered(first)
    origin = file_origin(path, separator, encoding, not names)
    return FoundFile(origin, names, collect(scan_file(origin, names), origin))


def _separator(path: Path, lines: Sequence[str], kind: str) -> str:
    found = found_separators(lines) or found_separators(lines[:1])
    widths = [len(fields(lines[0], separator)) for separator in found]
    if not found or widths.count(widths[0]) > 1:
        raise UnclearError(f"{kind}separator", f"{path}: what stands between the fields of {lines[0]!r}", found)
    return found[0]


def _numbered(first: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"column_{number}" for number in range(1, len(first) + 1))


def _has_header(path: Path, rows: Sequence[Sequence[str]], kind: str, chosen: Chosen) -> bool:
    """Whether the first row has names: it has no numbers, and a known name, or numbers below it."""
    question = f"{path}: are {list(rows[0])} the names of the columns"
    if answer := chosen.get(f"{kind}header"):
        if answer not in _YES_NO:
            raise UnclearError(f"{kind}header", question, _YES_NO)
        return answer == "yes"
    if any(map(is_number, rows[0])):
        return False
    if any(normal(name) in known for name in rows[0] for known in NAMES.values()) or any(map(is_number, rows[-1])):
        return True
    raise UnclearError(f"{kind}header", question, _YES_NO)


def normal(name: str) -> str:
    """Return the name of a column as ``NAMES`` has it."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
