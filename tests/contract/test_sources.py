"""Every data source keeps the same promises, whatever its files look like."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import INTERACTIONS, ITEMS
from scorerec.data.prepare import DataConfig, prepare
from scorerec.data.raw import RawTables
from scorerec.data.sources import SourceConfig

RATINGS_SCHEMA = {
    "position": pl.UInt32,
    "user_id": pl.String,
    "item_id": pl.String,
    "rating": pl.Float32,
    "label": pl.Int8,
    "timestamp": pl.Int64,
}
# user, item, rating, timestamp; neither sorted by user nor by time, and two rows of one second.
ROWS = [
    ("007", "02", 5, 978_300_760),
    ("8", "1", 3, 978_300_100),
    ("007", "1", 4, 978_300_760),
    ("010", "3", 1, 978_300_000),
    ("8", "02", 2, 978_309_999),
    ("010", "02", 5, 978_300_500),
    ("007", "3", 2, 978_301_000),
    ("7", "1", 4, 978_303_000),
]
TITLES = {
    "1": "Misérables, Les (1995)",
    "02": 'Schindler\'s "List", The (1993)',
    "3": "¿Qué? (1972)",
}


def movielens_1m(folder: Path) -> None:
    lines = ["::".join(map(str, row)) for row in ROWS]
    (folder / "ratings.dat").write_text("\n".join(lines) + "\n", encoding="latin-1")
    movies = [f"{item}::{title}::Drama|War" for item, title in TITLES.items()]
    (folder / "movies.dat").write_text("\n".join(movies) + "\n", encoding="latin-1")


def movielens_100k(folder: Path) -> None:
    lines = ["\t".join(map(str, row)) for row in ROWS]
    (folder / "u.data").write_text("\n".join(lines) + "\n", encoding="latin-1")
    flags = "|".join(["0"] * 17 + ["1", "0"])
    movies = [f"{item}|{title}|01-Jan-1995||http://x/?{item}|{flags}" for item, title in TITLES.items()]
    (folder / "u.item").write_text("\n".join(movies) + "\n", encoding="latin-1")


def movielens_100k_atomic(folder: Path) -> None:
    atomic_ratings(folder / "ml-100k.inter")
    header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"
    movies = [f"{item}\t{title[:-7]}\t{title[-5:-1]}\tDrama War" for item, title in TITLES.items()]
    (folder / "ml-100k.item").write_text("\n".join([header, *movies]) + "\n", encoding="utf-8")


def recbole(folder: Path) -> None:
    atomic_ratings(folder / "shop.inter")
    items = [f"{item}\t{title}\t9.5" for item, title in TITLES.items()]
    lines = ["item_id:token\ttitle:token_seq\tprice:float", *items]
    (folder / "shop.item").write_text("\n".join(lines) + "\n", encoding="utf-8")


def atomic_ratings(path: Path) -> None:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    lines = ["\t".join(map(str, row)) for row in ROWS]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def tabular_csv(folder: Path) -> None:
    frame_of_ratings().write_csv(folder / "ratings.csv")
    frame_of_items().write_csv(folder / "items.csv")


def tabular_parquet(folder: Path) -> None:
    frame_of_ratings().write_parquet(folder / "ratings.parquet")
    frame_of_items().write_parquet(folder / "items.parquet")


def frame_of_ratings() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema=["user_id", "item_id", "rating", "timestamp"], orient="row")


def frame_of_items() -> pl.DataFrame:
    return pl.DataFrame({"item_id": list(TITLES), "title": list(TITLES.values()), "price": [1.5, 2.0, None]})


def nothing(folder: Path) -> None:
    """The source makes its own data."""


@dataclass(frozen=True)
class Case:
    """A source, a format that it reads, and a tiny data set in that format."""

    source: dict[str, Any]
    write: Callable[[Path], None]
    files: tuple[str, ...]
    split: Any

    @property
    def name(self) -> str:
        return str(self.source["name"])


BY_TIME = {"by": "time-fractions", "train": 0.5, "valid": 0.25}
YEAR = {"by": "months", "train": (0, 9), "valid": (10, 10), "test": (11, 11)}
PARQUET = {"name": "tabular", "ratings": "ratings.parquet", "items": "items.parquet"}
SMALL_WORLD = {"name": "synthetic", "n_users": 8, "n_items": 40, "n_shared": 6, "n_own": 4}
CASES = [
    Case({"name": "movielens-1m"}, movielens_1m, ("ratings.dat", "movies.dat"), BY_TIME),
    Case({"name": "movielens-100k"}, movielens_100k, ("u.data", "u.item"), BY_TIME),
    Case({"name": "movielens-100k"}, movielens_100k_atomic, ("ml-100k.inter", "ml-100k.item"), BY_TIME),
    Case({"name": "recbole"}, recbole, ("shop.inter", "shop.item"), BY_TIME),
    Case({"name": "tabular"}, tabular_csv, ("ratings.csv", "items.csv"), BY_TIME),
    Case(PARQUET, tabular_parquet, ("ratings.parquet", "items.parquet"), BY_TIME),
    Case(SMALL_WORLD, nothing, (), YEAR),
]
FROM_FILES = [case for case in CASES if case.files]


@dataclass(frozen=True)
class Written:
    """A case whose data set lies in a folder."""

    case: Case
    folder: Path

    @property
    def path(self) -> Path | None:
        return self.folder if self.case.files else None

    @property
    def config(self) -> DataConfig:
        settings = {"source": self.case.source, "path": self.path, "split": self.case.split}
        return DataConfig.model_validate(settings)

    def read(self) -> RawTables:
        return self.config.source.read(self.path)


def label_of(case: Case) -> str:
    return f"{case.name}-{case.write.__name__}"


@pytest.fixture(params=CASES, ids=label_of)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
    request.param.write(tmp_path)
    return Written(request.param, tmp_path)


@pytest.fixture(params=FROM_FILES, ids=label_of)
def in_files(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
    request.param.write(tmp_path)
    return Written(request.param, tmp_path)


def test_every_source_is_here() -> None:
    union, _ = get_args(SourceConfig)
    names = {source.model_fields["name"].default for source in get_args(union)}
    assert names == {case.name for case in CASES}


def test_columns_are_of_their_types(written: Written) -> None:
    raw = written.read()
    assert dict(raw.ratings.schema) == RATINGS_SCHEMA
    assert raw.items.columns[:2] == ["item_id", "title"]
    assert [raw.items.schema[name] for name in ("item_id", "title")] == [pl.String, pl.String]


def test_ids_are_text_as_the_file_has_it(in_files: Written) -> None:
    raw = in_files.read()
    assert raw.ratings["user_id"].to_list() == [row[0] for row in ROWS]
    assert raw.ratings["item_id"].to_list() == [row[1] for row in ROWS]
    assert raw.items["item_id"].to_list() == list(TITLES)


def test_ids_of_the_made_world_keep_their_zeros(tmp_path: Path) -> None:
    raw = Written(CASES[-1], tmp_path).read()
    assert set(raw.ratings["item_id"].str.len_chars()) == {5}
    assert raw.items["item_id"][0] == "00001"


def test_rows_keep_the_order_of_the_file(written: Written) -> None:
    ratings = written.read().ratings
    assert ratings["position"].to_list() == list(range(ratings.height))
    if written.case.files:
        assert ratings.select("rating", "timestamp").rows() == [(row[2], row[3]) for row in ROWS]


def test_titles_survive(in_files: Written) -> None:
    items = in_files.read().items
    assert dict(items.select("item_id", "title").iter_rows()) == TITLES


def test_files_are_what_is_read(written: Written, tmp_path_factory: pytest.TempPathFactory) -> None:
    listed = written.config.files()
    assert [path.name for path in listed] == list(written.case.files)
    alone = tmp_path_factory.mktemp("alone")
    for path in listed:
        (alone / path.name).write_bytes(path.read_bytes())
    assert same(Written(written.case, alone).read(), written.read())


def test_reading_twice_gives_the_same(written: Written) -> None:
    assert same(written.read(), written.read())


def same(one: RawTables, other: RawTables) -> bool:
    return one.ratings.equals(other.ratings) and one.items.equals(other.items)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("fault", ["missing", "empty"])
def test_a_missing_or_empty_file_is_named(in_files: Written, place: int, fault: str) -> None:
    path = in_files.folder / in_files.case.files[place]
    path.unlink()
    if fault == "empty":
        path.touch()
    # Where the name is the user's choice and the file is gone, its ending is all that can be named.
    for attempt in (in_files.config.files, in_files.read, lambda: prepare(in_files.config)):
        with pytest.raises(DataError, match=re.escape(path.suffix)) as caught:
            attempt()
        assert str(in_files.folder) in str(caught.value)


def test_a_folder_that_is_not_there_is_named(in_files: Written) -> None:
    absent = Written(in_files.case, in_files.folder / "elsewhere")
    with pytest.raises(DataError, match="elsewhere"):
        absent.read()


def test_it_can_be_prepared(written: Written) -> None:
    raw, prepared = written.read(), prepare(written.config)
    interactions, items = INTERACTIONS.check(prepared.interactions), ITEMS.check(prepared.items)
    assert interactions.num_rows == raw.ratings.height
    assert items["item_id"].to_pylist() == raw.items["item_id"].to_list()
    assert set(interactions["item_id"].to_pylist()) <= set(items["item_id"].to_pylist())
    ordered = raw.ratings.sort("timestamp", "position")
    for name in ("user_id", "item_id", "rating", "timestamp"):
        assert interactions[name].to_pylist() == ordered[name].to_list()
    assert prepared.notes["source"] == written.case.name


def test_its_settings_survive_the_record_of_a_run(written: Written) -> None:
    config = written.config
    assert DataConfig.model_validate_json(config.model_dump_json()) == config
