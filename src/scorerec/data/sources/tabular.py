"""Any pair of CSV, TSV or Parquet files, with a map of their columns."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.data.raw import RawTables, TimestampUnit, collect, column_types, parse_ratings, require_file
from scorerec.data.sources.columns import ColumnMap, require_columns


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
        ratings, items = self.files(path)
        wanted = self.columns.ratings()
        scan = _scan(ratings)
        require_columns(wanted, column_types(scan, ratings).names(), ratings)
        renamed = scan.select(pl.col(column).alias(name) for name, column in wanted.items())
        first_row = 1 if ratings.suffix == ".parquet" else 2
        parsed = parse_ratings(renamed, ratings, first_row, self.timestamp_unit)
        return RawTables(parsed, self._items(items))

    def _items(self, path: Path) -> pl.DataFrame:
        scan = _scan(path)
        found = column_types(scan, path).names()
        wanted = self.columns.items()
        require_columns(wanted, found, path)
        absent = [name for name in self.lists if name not in found]
        if absent:
            raise DataError(f"{path}: data.source.lists names {absent}; the file has {found}")
        metadata = [name for name in found if name not in wanted.values()]
        return collect(
            scan.select(
                *(pl.col(column).cast(pl.String).alias(name) for name, column in wanted.items()),
                *(self._metadata(name) for name in metadata),
            ),
            path,
        )

    def _metadata(self, name: str) -> pl.Expr:
        if name not in self.lists:
            return pl.col(name)
        values = pl.col(name).fill_null("").str.split(self.lists[name])
        return values.list.eval(pl.element().str.strip_chars()).list.filter(pl.element() != "")


def _scan(path: Path) -> pl.LazyFrame:
    """Scan a file by its suffix; text formats stay text, so that ids keep their leading zeros."""
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    kinds = {".csv": ",", ".tsv": "\t"}
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix not in kinds:
        raise DataError(f"{path}: wanted a .csv, .tsv or .parquet file (.csv.gz and .tsv.gz as well)")
    return pl.scan_csv(path, separator=kinds[suffix], infer_schema=False)
