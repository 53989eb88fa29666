"""Any pair of CSV, TSV or Parquet files, with a map of their columns."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl
import polars.selectors as cs
from pydantic import Field, field_validator

from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.data.delimited import UTF_8, found_separators, head, is_number, scan_text
from scorerec.data.origin import Origin
from scorerec.data.raw import RawTables, TimestampUnit, collect, column_types, parse_ratings, require_file, text_column
from scorerec.data.sources.columns import ColumnMap, metadata_columns, require_columns

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


class TabularFiles(Config):
    """A ratings file and an items file; the item columns that are not mapped are kept as metadata."""

    name: Literal["tabular"] = "tabular"
    ratings: Path = Field(default=Path("ratings.csv"), description="below data.path, or absolute")
    items: Path = Field(default=Path("items.csv"), description="below data.path, or absolute")
    columns: ColumnMap = ColumnMap()
    lists: dict[str, str] = Field(
        default_factory=dict,
        description="text columns of the items with several values -> what separates them: {genres = '|'}",
    )
    timestamp_unit: TimestampUnit = Field(default="s", description="unit of timestamps that are numbers; iso: text")
    separator: str | None = Field(
        default=None, min_length=1, description="between the fields of text; None: a comma in .csv, a tab in .tsv"
    )
    encoding: str = Field(default=UTF_8, description="of text files: utf-8, utf-16, cp1252, ...")
    ratings_names: tuple[str, ...] = Field(default=(), description="columns of a text file that has no header line")
    items_separator: str | None = Field(default=None, min_length=1, description="where the items have another one")
    items_encoding: str | None = Field(default=None, description="where the items have another one")
    items_names: tuple[str, ...] = Field(default=(), description="columns of a text file that has no header line")

    @field_validator("encoding", "items_encoding")
    @classmethod
    def _known_encoding(cls, name: str | None) -> str | None:
        try:
            return name and codecs.lookup(name).name
        except LookupError:
            raise ValueError("wanted an encoding that Python knows, such as utf-8, utf-16 or cp1252") from None

    def files(self, path: Path | None) -> list[Path]:
        """Return the ratings file and the items file.

        Raises:
            DataError: a file is missing or empty.
        """
        folder = path or Path()
        ratings = require_file(folder / self.ratings, "set data.path and data.source.ratings")
        return [ratings, require_file(folder / self.items, "set data.path and data.source.items")]

    def read(self, path: Path | None) -> RawTables:
        """Read ratings and items."""
        ratings_file, items_file = self.files(path)
        ratings = file_origin(ratings_file, self.separator, self.encoding, not self.ratings_names)
        items = file_origin(
            items_file,
            self.items_separator or self.separator,
            self.items_encoding or self.encoding,
            not self.items_names,
        )
        wanted = self.columns.ratings()
        scan = scan_file(ratings, self.ratings_names)
        names = column_types(scan, ratings).names()
        require_columns(wanted, names, ratings.path, _format_hint(ratings, names, "ratings_"))
        renamed = scan.select(pl.col(column).alias(name) for name, column in wanted.items())
        return RawTables(parse_ratings(renamed, ratings, self.timestamp_unit), self._items(items), ratings, items)

    def _items(self, origin: Origin) -> pl.DataFrame:
        scan = scan_file(origin, self.items_names)
        schema = column_types(scan, origin)
        wanted = self.columns.items()
        require_columns(wanted, schema.names(), origin.path, _format_hint(origin, schema.names(), "items_"))
        for name in self.lists:
            if schema.get(name) != pl.String:
                raise DataError(
                    f"{origin.path}: data.source.lists names {name!r}, wanted a column of text; the file has "
                    f"{ {column: str(dtype) for column, dtype in schema.items()} }; name one of these"
                )
        return collect(
            scan.select(
                *(text_column(column, schema, origin).alias(name) for name, column in wanted.items()),
                *(self._metadata(name) for name in metadata_columns(wanted, schema.names(), origin.path)),
            ),
            origin,
        )

    def _metadata(self, name: str) -> pl.Expr:
        if name not in self.lists:
            return pl.col(name)
        values = pl.col(name).fill_null("").str.split(self.lists[name])
        return values.list.eval(pl.element().str.strip_chars()).list.filter(pl.element() != "")


def default_separator(path: Path) -> str | None:
    """Return what a file of text has between its fields by its name, .gz left aside; None where that tells nothing."""
    return _SEPARATORS.get(Path(path.stem).suffix if path.suffix == ".gz" else path.suffix)


def file_origin(
    path: Path, separator: str | None = None, encoding: str | None = None, has_header: bool = True
) -> Origin:
    """Tell the format by the file's name, where no separator is given.

    Args:
        path: the file.
        separator: between the fields, if it is text.
        encoding: of the text; None: UTF-8, which no setting can change.
        has_header: whether the first line of text has the names of the columns.

    Raises:
        DataError: the name tells no format.
    """
    if path.suffix == ".parquet":
        return Origin(path)
    between = separator or default_separator(path)
    if between is None:
        setting = ", or say what stands between the fields of text: data.source.separator" if encoding else ""
        raise DataError(
            f"{path}: wanted a .csv, .tsv or .parquet file (.csv.gz and .tsv.gz as well); convert it first{setting}"
        )
    return Origin(path, 2 if has_header else 1, between, is_quoted=len(between) == 1, encoding=encoding)


def scan_file(origin: Origin, names: Sequence[str] = ()) -> pl.LazyFrame:
    """Scan a file; text formats stay text, so that ids keep their leading zeros.

    Args:
        origin: the file.
        names: of the columns, where it is text without a header line.

    Raises:
        DataError: the text is in another encoding, or has not as many columns as there are names.
    """
    if origin.separator is None:
        categories = cs.by_dtype(pl.Categorical, pl.Enum)
        return pl.scan_parquet(origin.path, glob=False).with_columns(categories.cast(pl.String))
    return scan_text(origin, names)


def _format_hint(origin: Origin, names: Sequence[str], kind: Literal["ratings_", "items_"]) -> str:
    """Return advice for a text file that lacks columns because it is divided otherwise, or has no header line."""
    if origin.separator is None:
        return ""
    found = found_separators(head(origin))
    if found and found[0] != origin.separator:
        setting = f"data.source.{kind.removeprefix('ratings_')}separator"
        return f"its fields look divided by {found[0]!r}: set {setting} = {json.dumps(found[0])}"
    if any(is_number(name) for name in names):
        return f"this looks like a row and no header: set data.source.{kind}names to the names of its columns"
    return ""
