"""RecBole's atomic files: tab-separated, with a type in each column's name (``user_id:token``)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.data.raw import RawTables, TimestampUnit, collect, parse_ratings, require_file
from scorerec.data.sources.columns import ColumnMap, require_columns

_TYPES = ("token", "token_seq", "float", "float_seq")
_TITLES = ("title", "movie_title", "item_title", "name")


class RecBoleFiles(Config):
    """A folder with one ``.inter`` and its ``.item`` file, or the path of the ``.inter`` file.

    The title is ``columns.title`` where the items have it, otherwise the one of movie_title, item_title and
    name that they have. Other item columns keep their names: ``token_seq`` and ``float_seq`` as lists,
    ``float`` as numbers.
    """

    name: Literal["recbole"] = "recbole"
    columns: ColumnMap = ColumnMap()
    timestamp_unit: TimestampUnit = Field(default="s", description="unit of the timestamps")

    def files(self, path: Path | None) -> list[Path]:
        """Return the ``.inter`` and the ``.item`` file.

        Raises:
            DataError: no path, not exactly one ``.inter`` file, or a file is missing or empty.
        """
        advice = "set data.path to a folder with one .inter file and its .item file, or to the .inter file"
        if path is None:
            raise DataError(f"recbole: no path given; {advice}")
        found = [path] if path.suffix == ".inter" else sorted(path.glob("*.inter"))
        if len(found) != 1:
            names = [file.name for file in found]
            raise DataError(f"{path}: wanted one .inter file, found {names or 'none'}; {advice}")
        return [require_file(file, advice) for file in (found[0], found[0].with_suffix(".item"))]

    def read(self, path: Path | None) -> RawTables:
        """Read interactions and items."""
        interactions, items = self.files(path)
        wanted = self.columns.ratings()
        types = _header(interactions)
        require_columns(wanted, types, interactions)
        scan = _scan(interactions, types).select(pl.col(column).alias(name) for name, column in wanted.items())
        ratings = parse_ratings(scan, interactions, first_row=2, timestamp_unit=self.timestamp_unit)
        return RawTables(ratings, self._items(items))

    def _items(self, path: Path) -> pl.DataFrame:
        types = _header(path)
        names = self.columns.items()
        if names["title"] not in types:
            names["title"] = next((title for title in _TITLES if title in types), names["title"])
        require_columns(names, types, path)
        metadata = [name for name in types if name not in names.values()]
        return collect(
            _scan(path, types).select(
                *(pl.col(column).alias(name) for name, column in names.items()),
                *(_typed(name, types[name]) for name in metadata),
            ),
            path,
        )


def _header(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        fields = [field.partition(":") for field in lines.readline().rstrip("\r\n").split("\t")]
    unknown = [name for name, _, kind in fields if kind not in _TYPES]
    if unknown:
        raise DataError(
            f"{path}, row 1: columns {unknown} have no type; wanted NAME:TYPE between tabs, with TYPE one of "
            f"{', '.join(_TYPES)}"
        )
    return {name: kind for name, _, kind in fields}


def _scan(path: Path, types: dict[str, str]) -> pl.LazyFrame:
    return pl.scan_csv(
        path, separator="\t", quote_char=None, infer_schema=False, has_header=True, new_columns=list(types)
    )


def _typed(name: str, kind: str) -> pl.Expr:
    column = pl.col(name)
    if kind == "float":
        return column.cast(pl.Float64)
    if kind == "token":
        return column
    values = column.fill_null("").str.split(" ").list.filter(pl.element() != "")
    return values.cast(pl.List(pl.Float64)) if kind == "float_seq" else values
