"""Any pair of CSV, TSV or Parquet files, with a map of their columns."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import polars.selectors as cs
from pydantic import Field

from scorerec.core.config import Config
from scorerec.core.errors import DataError
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
    timestamp_unit: TimestampUnit = Field(default="s", description="unit of timestamps that are numbers")

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
        ratings, items = (file_origin(file) for file in self.files(path))
        wanted = self.columns.ratings()
        scan = scan_file(ratings)
        require_columns(wanted, column_types(scan, ratings).names(), ratings.path)
        renamed = scan.select(pl.col(column).alias(name) for name, column in wanted.items())
        return RawTables(parse_ratings(renamed, ratings, self.timestamp_unit), self._items(items), ratings, items)

    def _items(self, origin: Origin) -> pl.DataFrame:
        scan = scan_file(origin)
        schema = column_types(scan, origin)
        wanted = self.columns.items()
        require_columns(wanted, schema.names(), origin.path)
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


def file_origin(path: Path) -> Origin:
    """Tell the format by the file's name."""
    if path.suffix == ".parquet":
        return Origin(path)
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix not in _SEPARATORS:
        raise DataError(f"{path}: wanted a .csv, .tsv or .parquet file (.csv.gz and .tsv.gz as well); convert it first")
    return Origin(path, first_row=2, separator=_SEPARATORS[suffix], is_quoted=True)


def scan_file(origin: Origin) -> pl.LazyFrame:
    """Scan a file; text formats stay text, so that ids keep their leading zeros."""
    if origin.separator is None:
        categories = cs.by_dtype(pl.Categorical, pl.Enum)
        return pl.scan_parquet(origin.path, glob=False).with_columns(categories.cast(pl.String))
    return pl.scan_csv(origin.path, separator=origin.separator, infer_schema=False, glob=False)
