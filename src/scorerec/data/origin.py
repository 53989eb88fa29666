"""Where rows come from, so that a message names the file and the row, even of a file that cannot be read."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from scorerec.core.errors import DataError

NO_SEPARATOR = "\x1f"  # for readers of one-character separators that are to leave lines whole
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Origin:
    """The file of a table, and how its rows are counted in messages.

    Attributes:
        path: the file, or a name for what is in no file.
        first_row: what the first row of data is called: 2 below a header.
        separator: what stands between the fields of a line; None for what is no delimited text.
        is_quoted: whether double quotes may enclose a field.
        encoding: of the text, where the source lets it be set; None where it is UTF-8 and nothing else.
    """

    path: Path
    first_row: int = 1
    separator: str | None = None
    is_quoted: bool = False
    encoding: str | None = None

    def row(self, position: int) -> str:
        """Return the name of the row at ``position``, which counts from 0.

        >>> Origin(Path("ratings.csv"), first_row=2).row(0)
        'ratings.csv, row 2'
        """
        return f"{self.path}, row {position + self.first_row}"

    def unreadable(self, error: BaseException) -> DataError:
        """Return the error for a file that a reader gave up on; it names the first damaged row that can be found."""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        fault = self._damage() or f"{self.path}: cannot be read: {reason}"
        encoding = ", save it as UTF-8" if self.separator else ""
        encoding += " or set data.source.encoding" if self.encoding else ""
        return DataError(f"{fault}; correct the file{encoding}, or fetch it again")

    def _damage(self) -> str | None:
        """Go through delimited text line by line: slow, but fast readers seldom say which row it was."""
        if self.separator is None:
            return None
        try:
            with opened(self.path) as file:
                return self._damaged_row(file, self.separator)
        except (OSError, EOFError, zlib.error) as error:
            return f"{self.path}: cannot be read to its end: {error}"

    def _damaged_row(self, file: BinaryIO, separator: str) -> str | None:
        rows = csv.reader(
            _decoded(file) if self.encoding in (None, "utf-8") else io.TextIOWrapper(file, self.encoding, newline=""),
            delimiter=separator if len(separator) == 1 else NO_SEPARATOR,
            quoting=csv.QUOTE_MINIMAL if self.is_quoted else csv.QUOTE_NONE,
            strict=True,
        )
        number = n_wanted = 0
        try:
            for number, fields in enumerate(rows, start=1):
                n_wanted = n_wanted or len(fields)
                if len(fields) > n_wanted:
                    return f"{self.path}, row {number}: wanted {n_wanted} fields as in row 1, found {len(fields)}"
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            return f"{self.path}, row {number + 1}: wanted text in UTF-8, found the byte 0x{byte:02x}"
        except csv.Error as error:
            return f"{self.path}, row {number + 1}: {error}"
        return None


def opened(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked where it is packed by gzip, whatever its name."""
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP_MAGIC
    return cast(BinaryIO, gzip.open(path)) if is_packed else path.open("rb")


def _decoded(file: BinaryIO) -> Iterator[str]:
    for line in file:
        yield line.decode("utf-8")
