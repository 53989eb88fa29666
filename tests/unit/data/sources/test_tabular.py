"""CSV and Parquet pairs, with and without a column map."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scorerec.core.config import validate
from scorerec.core.errors import ConfigError, DataError
from scorerec.data.sources.columns import ColumnMap
from scorerec.data.sources.tabular import TabularFiles

RATINGS = "user_id,item_id,rating,timestamp\n007,01,4,100\n8,02,5,101\n"
ITEMS = 'item_id,title,genres,maker\n01,"Chess, Deluxe",Board | Strategy,\n02,Go,,Kiseido\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ratings.csv").write_text(RATINGS)
    (tmp_path / "items.csv").write_text(ITEMS)
    return tmp_path


def test_csv_keeps_ids_as_text_and_metadata(folder: Path) -> None:
    raw = TabularFiles(lists={"genres": "|"}).read(folder)
    assert raw.ratings.rows() == [(0, "007", "01", 4.0, None, 100), (1, "8", "02", 5.0, None, 101)]
    assert raw.items.to_dicts() == [
        {"item_id": "01", "title": "Chess, Deluxe", "genres": ["Board", "Strategy"], "maker": None},
        {"item_id": "02", "title": "Go", "genres": [], "maker": "Kiseido"},
    ]


def test_compressed_csv_and_tsv(folder: Path) -> None:
    (folder / "ratings.csv.gz").write_bytes(gzip.compress(RATINGS.encode()))
    (folder / "items.tsv").write_text("item_id\ttitle\n01\tChess\n")
    raw = TabularFiles(ratings=Path("ratings.csv.gz"), items=Path("items.tsv")).read(folder)
    assert raw.ratings["user_id"].to_list() == ["007", "8"]
    assert raw.items.rows() == [("01", "Chess")]


def test_parquet_with_a_column_map(folder: Path) -> None:
    moment = datetime.datetime(1970, 1, 1, 0, 1, tzinfo=datetime.UTC)
    frame = pl.DataFrame({"who": [7], "asin": ["B1"], "bought": [True], "when": [moment]})
    frame.write_parquet(folder / "events.parquet")
    pl.DataFrame({"sku": ["B1"], "name": ["Chess"], "price": [9.5]}).write_parquet(folder / "shop.parquet")
    source = validate(
        TabularFiles,
        {
            "ratings": "events.parquet",
            "items": "shop.parquet",
            "columns": {
                "user_id": "who",
                "item_id": "asin",
                "rating": None,
                "label": "bought",
                "timestamp": "when",
                "catalogue_item_id": "sku",
                "title": "name",
            },
        },
        "here",
    )
    raw = source.read(folder)
    assert raw.ratings.rows() == [(0, "7", "B1", None, 1, 60)]
    assert raw.items.to_dicts() == [{"item_id": "B1", "title": "Chess", "price": 9.5}]


def test_faults_name_file_row_and_setting(folder: Path) -> None:
    with pytest.raises(DataError, match=r"ratings\.csv: no column 'user' for user_id; the file has"):
        TabularFiles(columns=ColumnMap(user_id="user")).read(folder)
    with pytest.raises(DataError, match=r"items\.csv: data\.source\.lists names 'tags', wanted a column of text"):
        TabularFiles(lists={"tags": "|"}).read(folder)
    (folder / "ratings.csv").write_text(RATINGS + "9,01,many,102\n")
    with pytest.raises(DataError, match=r"ratings\.csv, row 4: rating cannot be read: 'many'"):
        TabularFiles().read(folder)
    (folder / "ratings.csv").write_text("user_id,item_id,rating,timestamp\n")
    with pytest.raises(DataError, match="at least one row"):
        TabularFiles().read(folder)


def test_unreadable_files_are_refused(folder: Path) -> None:
    (folder / "ratings.parquet").write_text("not parquet")
    with pytest.raises(DataError, match=r"ratings\.parquet: cannot be read"):
        TabularFiles(ratings=Path("ratings.parquet")).read(folder)
    (folder / "ratings.xlsx").write_text("x")
    with pytest.raises(DataError, match=r"wanted a \.csv, \.tsv or \.parquet file"):
        TabularFiles(ratings=Path("ratings.xlsx")).read(folder)
    with pytest.raises(DataError, match=r"absent\.csv: no such file; set data\.path"):
        TabularFiles(items=Path("absent.csv")).read(folder)


@pytest.mark.parametrize(
    ("file", "column", "values", "wanted"),
    [
        ("ratings", "user_id", [7.0], "text or integers"),
        ("ratings", "item_id", [["01"]], "text or integers"),
        ("ratings", "rating", [datetime.date(2020, 1, 1)], "text or integers or numbers or nothing"),
        ("ratings", "rating", [True], "text or integers or numbers or nothing"),
        ("ratings", "timestamp", [datetime.time(12)], "text or times or integers or numbers"),
        ("items", "item_id", [1.0], "text or integers"),
        ("items", "title", [["Chess"]], "text or integers"),
    ],
)
def test_a_column_of_a_type_that_cannot_be_meant_is_refused(
    tmp_path: Path, file: str, column: str, values: list[Any], wanted: str
) -> None:
    frames = {
        "ratings": pl.DataFrame({"user_id": ["7"], "item_id": ["01"], "rating": [4], "timestamp": [100]}),
        "items": pl.DataFrame({"item_id": ["01"], "title": ["Chess"]}),
    }
    frames[file] = frames[file].with_columns(pl.Series(column, values))
    for name, frame in frames.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=rf"{file}\.parquet: column {column} is .*; wanted {wanted}; convert it first"):
        TabularFiles(ratings=Path("ratings.parquet"), items=Path("items.parquet")).read(tmp_path)


def test_categories_are_text(tmp_path: Path) -> None:
    columns = {"user_id": ["007"], "item_id": ["01"], "rating": ["4"], "timestamp": ["100"]}
    pl.DataFrame(columns).cast(pl.Categorical).write_parquet(tmp_path / "ratings.parquet")
    items = pl.DataFrame({"item_id": ["01"], "title": ["Chess"], "genres": ["Board|Strategy"]})
    items.cast(pl.Categorical).write_parquet(tmp_path / "items.parquet")
    source = TabularFiles(ratings=Path("ratings.parquet"), items=Path("items.parquet"), lists={"genres": "|"})
    raw = source.read(tmp_path)
    assert raw.ratings.rows() == [(0, "007", "01", 4.0, None, 100)]
    assert raw.items.rows() == [("01", "Chess", ["Board", "Strategy"])]


def test_a_column_with_one_of_our_names_beside_the_mapped_one_is_refused(folder: Path) -> None:
    (folder / "items.csv").write_text("item_id,title,name\n01,x,Chess\n02,y,Go\n")
    with pytest.raises(DataError, match=r"items\.csv: title is read from column 'name', and the file has .* rename"):
        TabularFiles(columns=ColumnMap(title="name")).read(folder)


def test_a_folder_may_have_the_characters_of_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "shop [1]*").mkdir()
    (tmp_path / "shop [1]*" / "ratings.csv").write_text(RATINGS)
    (tmp_path / "shop [1]*" / "items.csv").write_text(ITEMS)
    assert TabularFiles().read(tmp_path / "shop [1]*").ratings.height == 2


def test_text_of_any_form_is_read_by_its_settings(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("007::01::4::100\n8::02::5::101\n")
    (tmp_path / "movies.txt").write_bytes("01;Amélie\n02;Go\n".encode("utf-16"))
    source = validate(
        TabularFiles,
        {
            "ratings": "ratings.dat",
            "items": "movies.txt",
            "separator": "::",
            "ratings_names": ["user_id", "item_id", "rating", "timestamp"],
            "items_separator": ";",
            "items_encoding": "utf-16",
            "items_names": ["item_id", "title"],
        },
        "here",
    )
    raw = source.read(tmp_path)
    assert raw.ratings.rows() == [(0, "007", "01", 4.0, None, 100), (1, "8", "02", 5.0, None, 101)]
    assert raw.ratings_from.row(0).endswith("ratings.dat, row 1")
    assert raw.items.rows() == [("01", "Amélie"), ("02", "Go")]


def test_one_separator_and_encoding_serve_both_files(folder: Path) -> None:
    for name, text in (("ratings", RATINGS), ("items", "item_id,title\n01,Amélie\n")):
        (folder / f"{name}.csv").write_bytes(text.replace(",", ";").encode("cp1252"))
    raw = TabularFiles(separator=";", encoding="cp1252").read(folder)
    assert (raw.ratings.height, raw.items["title"].to_list()) == (2, ["Amélie"])


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"encoding: .*wanted an encoding that Python knows"):
        validate(TabularFiles, {"encoding": "utf-9"}, "here")


def test_another_separator_is_proposed(folder: Path) -> None:
    (folder / "ratings.csv").write_text(RATINGS.replace(",", ";"))
    with pytest.raises(DataError, match=r"""no column 'user_id' .* divided by ';': set data.source.separator = ";"$"""):
        TabularFiles().read(folder)
    (folder / "ratings.csv").write_text(RATINGS)
    (folder / "items.csv").write_text("item_id\ttitle\n01\tGo\n")
    with pytest.raises(DataError, match=r'no column \'item_id\' .* set data\.source\.items_separator = "\\t"$'):
        TabularFiles().read(folder)


def test_a_file_without_a_header_is_told(folder: Path) -> None:
    (folder / "ratings.csv").write_text(RATINGS.partition("\n")[2])
    with pytest.raises(
        DataError, match=r"looks like a row and no header: set data\.source\.ratings_names to the names"
    ):
        TabularFiles().read(folder)
