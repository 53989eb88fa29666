"""Text with fields between separators, as it comes: any separator, any encoding, with a header or without."""

from __future__ import annotations

import codecs
import csv
import io
import zlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import polars as pl

from scorerec.core.errors import DataError
from scorerec.data.origin import NO_SEPARATOR, Origin, opened

UTF_8 = "utf-8"
_SEPARATORS = ("::", ";", "\t", "|", ",")
_BLOCK = 2**20  # bytes


def scan_lines(path: Path | io.BytesIO, skip: int = 0) -> pl.LazyFrame:
    """Scan the lines of a text in UTF-8 as one column, ``line``; the first ``skip`` of them are left out.

    Polars takes separators of one byte: for a longer one whole lines are read.
    """
    return pl.scan_csv(
        path,
        has_header=False,
        separator=NO_SEPARATOR,
        quote_char=None,
        infer_schema=False,
        new_columns=["line"],
        skip_rows=skip,
        glob=False,
    )


def split_lines(lines: pl.LazyFrame, separator: str, names: Sequence[str]) -> pl.LazyFrame:
    """Divide ``line`` into columns with these names; what is too much stays in the last one.

    Args:
        lines: with the column ``line``, as from ``scan_lines``.
        separator: of one character or more; nothing is quoted.
        names: of the columns, in order; where a line has fewer fields, the last ones are null.
    """
    fields = pl.col("line").str.splitn(separator, len(names)).struct.rename_fields(list(names))
    return lines.select(fields).unnest("line")


def scan_text(origin: Origin, names: Sequence[str] = ()) -> pl.LazyFrame:
    """Scan a text file whose columns stay text.

    Args:
        origin: the file, with its separator and encoding.
        names: of the columns, where the file has no header line.

    Raises:
        DataError: the file is in another encoding, or has not as many columns as there are names.
    """
    separator = origin.separator or ","
    text = origin.path if _encoding(origin) == UTF_8 else _as_utf8(origin)
    if len(separator.encode()) > 1:
        return _scan_wide(origin, text, names)
    scan = pl.scan_csv(text, separator=separator, infer_schema=False, glob=False, has_header=not names)
    if not names:
        return scan
    try:
        found = scan.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise origin.unreadable(error) from None
    _require_fields(len(found), names, origin, 0)
    return scan.rename(dict(zip(found, names, strict=True)))


def _scan_wide(origin: Origin, text: Path | io.BytesIO, names: Sequence[str]) -> pl.LazyFrame:
    """Scan lines whose separator has several bytes; quotes mean nothing there."""
    separator = origin.separator or ","
    columns = names or head(origin, 1)[0].split(separator)
    lines = scan_lines(text, skip=0 if names else 1)
    n_fields = pl.col("line").str.count_matches(separator, literal=True) + 1
    faults = lines.select(n_fields).with_row_index("position").filter(pl.col("line") != len(columns)).head(1).collect()
    for position, found in faults.iter_rows():
        _require_fields(found, columns, origin, position)
    return split_lines(lines, separator, columns)


def _require_fields(found: int, names: Sequence[str], origin: Origin, position: int) -> None:
    if found != len(names):
        raise DataError(
            f"{origin.row(position)}: wanted {len(names)} fields between {origin.separator!r}, for {list(names)}; "
            f"found {found}; correct the row, the names or the separator"
        )


def _encoding(origin: Origin) -> str:
    """Return the encoding as Python spells it.

    Raises:
        DataError: the file begins like UTF-16, and something else was said.
    """
    encoding = codecs.lookup(origin.encoding or UTF_8).name
    wide = wide_encoding(origin.path)
    if wide and not encoding.startswith("utf-16"):
        ways = (
            f', or set data.source.encoding = "{wide}" (items_encoding for the items alone)' if origin.encoding else ""
        )
        raise DataError(f"{origin.path}: wanted text in {encoding.upper()}, found UTF-16; save it as UTF-8{ways}")
    return UTF_8 if encoding == "utf-8-sig" else encoding


def _as_utf8(origin: Origin) -> io.BytesIO:
    """Return the text in the encoding that Polars reads; the whole file is in memory for it."""
    encoding = _encoding(origin)
    try:
        with opened(origin.path) as file:
            text = file.read().decode(encoding)
    except UnicodeDecodeError as error:
        row = error.object[: error.start].decode(encoding, "ignore").count("\n") + 1
        byte = error.object[error.start]
        raise DataError(
            f"{origin.path}, row {row}: wanted text in {encoding}, found the byte 0x{byte:02x}; correct the file, save "
            "it as UTF-8, or set another data.source.encoding"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise origin.unreadable(error) from None
    return io.BytesIO(text.removeprefix("\ufeff").encode())


def wide_encoding(path: Path) -> str | None:
    """Return the form of UTF-16 that a file begins like; None where it does not."""
    try:
        with opened(path) as file:
            start = file.read(200)
    except (OSError, EOFError, zlib.error):
        return None  # whoever reads all of it says what is wrong
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    halves = {"utf-16-le": start[1::2], "utf-16-be": start[::2]}  # where the zero bytes of plain letters stand
    return next((name for name, half in halves.items() if half and half.count(0) > len(half) / 2), None)


def found_encoding(path: Path) -> str | None:
    """Return ``utf-8`` or the form of UTF-16 that a file is in; None where it is in neither."""
    if wide := wide_encoding(path):
        return wide
    decoder = codecs.getincrementaldecoder(UTF_8)()
    with opened(path) as file:
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return None
    return UTF_8


def head(origin: Origin, n_lines: int = 50) -> list[str]:
    """Return the first lines that are not empty, without their ends; what cannot be decoded becomes ``�``.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with opened(origin.path) as file:
            text = io.TextIOWrapper(file, encoding=origin.encoding or UTF_8, errors="replace")
            lines = (line.rstrip("\r\n").removeprefix("\ufeff") for line in text)
            return list(islice(filter(None, lines), n_lines))
    except (OSError, EOFError, zlib.error) as error:
        raise origin.unreadable(error) from None


def fields(line: str, separator: str) -> list[str]:
    """Return the fields of a line, without the quotes around them."""
    if len(separator.encode()) > 1:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator), [])


def found_separators(lines: Sequence[str]) -> list[str]:
    """Return what divides all lines into equally many fields, two or more; first what makes the most of them.

    >>> found_separators(["user;stars", "7;4,5", "8;3"])
    [';']
    """
    counts = {separator: {len(fields(line, separator)) for line in lines} for separator in _SEPARATORS}
    even = {separator: max(found) for separator, found in counts.items() if len(found) == 1 and max(found) > 1}
    return sorted(even, key=lambda separator: -even[separator])


def is_number(text: str) -> bool:
    """Whether a field is a number, as the names of columns seldom are."""
    try:
        float(text)
    except ValueError:
        return False
    return True
