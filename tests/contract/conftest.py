"""The data sets that every source is tried on: one tiny case per source and format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scorerec.data.prepare import DataConfig
from scorerec.data.raw import RawTables

Row = tuple[Any, Any, Any, Any]  # user, item, rating, timestamp
Titles = Sequence[tuple[str, str]]  # item, title

# Neither sorted by user nor by time, and two rows of one second.
ROWS: list[Row] = [
    ("007", "02", 5, 978_300_760),
    ("8", "1", 3, 978_300_100),
    ("007", "1", 4, 978_300_760),
    ("010", "3", 1, 978_300_000),
    ("8", "02", 2, 978_309_999),
    ("010", "02", 5, 978_300_500),
    ("007", "3", 2, 978_301_000),
    ("7", "1", 4, 978_303_000),
]
TITLES = (
    ("1", "Misérables, Les (1995)"),
    ("02", 'Schindler\'s "List", The (1993)'),
    ("3", "¿Qué? (1972)"),
)


def movielens_1m(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    write_lines(folder / "ratings.dat", ["::".join(map(str, row)) for row in rows], "latin-1")
    write_lines(folder / "movies.dat", [f"{item}::{title}::Drama|War" for item, title in titles], "latin-1")


def movielens_100k(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    write_lines(folder / "u.data", ["\t".join(map(str, row)) for row in rows], "latin-1")
    flags = "|".join(["0"] * 17 + ["1", "0"])
    movies = [f"{item}|{title}|01-Jan-1995||http://x/?{item}|{flags}" for item, title in titles]
    write_lines(folder / "u.item", movies, "latin-1")


def movielens_100k_atomic(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    atomic_ratings(folder / "ml-100k.inter", rows)
    header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"
    movies = [f"{item}\t{title[:-7]}\t{title[-5:-1]}\tDrama War" for item, title in titles]
    write_lines(folder / "ml-100k.item", [header, *movies])


def recbole(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    atomic_ratings(folder / "shop.inter", rows)
    items = [f"{item}\t{title}\t9.5" for item, title in titles]
    write_lines(folder / "shop.item", ["item_id:token\ttitle:token_seq\tprice:float", *items])


def atomic_ratings(path: Path, rows: Sequence[Row]) -> None:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    write_lines(path, [header, *("\t".join(map(str, row)) for row in rows)])


def tabular_csv(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    frame_of_ratings(rows).write_csv(folder / "ratings.csv")
    frame_of_items(titles).write_csv(folder / "items.csv")


def tabular_packed(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    for name, frame in {"ratings": frame_of_ratings(rows), "items": frame_of_items(titles)}.items():
        (folder / f"{name}.tsv.gz").write_bytes(gzip.compress(frame.write_csv(separator="\t").encode()))


def tabular_parquet(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    frame_of_ratings(rows).write_parquet(folder / "ratings.parquet")
    frame_of_items(titles).write_parquet(folder / "items.parquet")


def amazon_reviews(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    names = ("reviewerID", "asin", "overall", "unixReviewTime")
    reviews = [json.dumps({**dict(zip(names, row, strict=True)), "summary": "Fine, it works"}) for row in rows]
    for name, lines in {"Games_5": reviews, "meta_Games": amazon_metadata(titles)}.items():
        (folder / f"{name}.json.gz").write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))


def amazon_ratings(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    write_lines(folder / "Games.csv", [f"{item},{user},{rating},{time}" for user, item, rating, time in rows])
    write_lines(folder / "meta_Games.json", amazon_metadata(titles))


def amazon_metadata(titles: Titles) -> list[str]:
    entry = {"category": ["Video Games", "PC"], "brand": "by\n    \n    Sierra", "also_buy": []}
    return [json.dumps({**entry, "title": title, "asin": item}, ensure_ascii=False) for item, title in titles]


def frame_of_ratings(rows: Sequence[Row]) -> pl.DataFrame:
    columns = dict(zip(["user_id", "item_id", "rating", "timestamp"], zip(*rows, strict=True), strict=True))
    is_text = {name: any(isinstance(value, str) for value in values) for name, values in columns.items()}
    return pl.DataFrame({n: [str(v) for v in values] if is_text[n] else values for n, values in columns.items()})


def frame_of_items(titles: Titles) -> pl.DataFrame:
    items, names = zip(*titles, strict=True)
    return pl.DataFrame({"item_id": items, "title": names, "price": [1.5, *[None] * (len(items) - 1)]})


def write_lines(path: Path, lines: Sequence[str], encoding: str = "utf-8") -> None:
    path.write_text("\n".join(lines) + "\n", encoding=encoding)


def nothing(folder: Path, rows: Sequence[Row], titles: Titles) -> None:
    """The source makes its own data."""


@dataclass(frozen=True)
class Case:
    """A source, a format that it reads, and a tiny data set in that format.

    Attributes:
        source: its settings.
        write: puts rows and titles into a folder.
        files: their names: ratings, items.
        split: one that leaves no part of the rows empty.
        first_row: what messages call the first row of data: 2 below a header.
        separators: of the lines of both files; none where they are not lines of text.
    """

    source: Mapping[str, Any]
    write: Callable[[Path, Sequence[Row], Titles], None]
    files: tuple[str, ...]
    split: Any
    first_row: int = 1
    separators: tuple[str, ...] = ()

    @property
    def has_named_columns(self) -> bool:
        return self.first_row == 2 or self.files[0].endswith(".parquet")

    @property
    def is_packed(self) -> bool:
        return not self.separators or self.files[0].endswith(".gz")

    @property
    def name(self) -> str:
        return str(self.source["name"])

    def __str__(self) -> str:
        return f"{self.name}-{self.write.__name__}"


BY_TIME = {"by": "time-fractions", "train": 0.5, "valid": 0.25}
YEAR = {"by": "months", "train": (0, 9), "valid": (10, 10), "test": (11, 11)}
ML_100K = {"name": "movielens-100k"}
AMAZON = {"name": "amazon-2018"}
TABULAR = {"name": "tabular"}
PACKED = {**TABULAR, "ratings": "ratings.tsv.gz", "items": "items.tsv.gz"}
PARQUET = {**TABULAR, "ratings": "ratings.parquet", "items": "items.parquet"}
SMALL_WORLD = {"name": "synthetic", "n_users": 8, "n_items": 40, "n_shared": 6, "n_own": 4}
CASES = [
    Case({"name": "movielens-1m"}, movielens_1m, ("ratings.dat", "movies.dat"), BY_TIME, 1, ("::", "::")),
    Case(ML_100K, movielens_100k, ("u.data", "u.item"), BY_TIME, 1, ("\t", "|")),
    Case(ML_100K, movielens_100k_atomic, ("ml-100k.inter", "ml-100k.item"), BY_TIME, 2, ("\t", "\t")),
    Case({"name": "recbole"}, recbole, ("shop.inter", "shop.item"), BY_TIME, 2, ("\t", "\t")),
    Case(AMAZON, amazon_reviews, ("Games_5.json.gz", "meta_Games.json.gz"), BY_TIME),
    Case(AMAZON, amazon_ratings, ("Games.csv", "meta_Games.json"), BY_TIME, 1, (",", ",")),
    Case(TABULAR, tabular_csv, ("ratings.csv", "items.csv"), BY_TIME, 2, (",", ",")),
    Case(PACKED, tabular_packed, ("ratings.tsv.gz", "items.tsv.gz"), BY_TIME, 2, ("\t", "\t")),
    Case(PARQUET, tabular_parquet, ("ratings.parquet", "items.parquet"), BY_TIME),
    Case(SMALL_WORLD, nothing, (), YEAR),
]


@dataclass(frozen=True)
class Written:
    """A case whose data set lies in a folder."""

    case: Case
    folder: Path
    rows: Sequence[Row] = tuple(ROWS)
    titles: Titles = TITLES

    @property
    def path(self) -> Path | None:
        return self.folder if self.case.files else None

    @property
    def config(self) -> DataConfig:
        settings = {"source": dict(self.case.source), "path": self.path, "split": self.case.split}
        return DataConfig.model_validate(settings)

    @property
    def files(self) -> list[Path]:
        """The ratings file and the items file."""
        return [self.folder / name for name in self.case.files]

    def text(self, file: int) -> bytes:
        """Return what a text file holds, unpacked."""
        content = self.files[file].read_bytes()
        return gzip.decompress(content) if self.case.is_packed else content

    def put(self, file: int, text: bytes) -> None:
        """Write what a text file is to hold, packed where it was."""
        self.files[file].write_bytes(gzip.compress(text) if self.case.is_packed else text)

    def read(self) -> RawTables:
        return self.config.source.read(self.path)

    def elsewhere(self, folder: Path) -> Written:
        """Return the same data set in another folder."""
        return Written(self.case, folder)

    def again(self, rows: Sequence[Row] = tuple(ROWS), titles: Titles = TITLES) -> Written:
        """Write other rows or titles over what is there."""
        self.case.write(self.folder, rows, titles)
        return Written(self.case, self.folder, rows, titles)

    def place(self, file: int, position: int) -> str:
        """Return what messages call a row of the ratings (file 0) or of the items (file 1)."""
        return f"{self.files[file]}, row {position + self.case.first_row}"


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    return CASES


def written_cases(is_meant: Callable[[Case], bool]) -> Any:
    """Return a fixture that writes each of the cases that are meant."""

    @pytest.fixture(params=filter(is_meant, CASES), ids=str)
    def fixture(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
        return Written(request.param, tmp_path).again()

    return fixture


written = written_cases(lambda case: True)
in_files = written_cases(lambda case: bool(case.files))
in_text = written_cases(lambda case: bool(case.separators))
in_columns = written_cases(lambda case: bool(case.files) and case.has_named_columns)
in_packed_files = written_cases(lambda case: bool(case.files) and case.is_packed)
