"""MovieLens files of a few lines, as published and as RecBole packages them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from scorerec.core.errors import DataError
from scorerec.data.sources import movielens
from scorerec.data.sources.movielens import MovieLens1M, MovieLens100K

MOVIES = "1::Toy Story (1995)::Animation|Children's|Comedy\n73::Misérables, Les (1995)::Drama|Musical\n"
RATINGS = "1::73::5::978300760\n1::1::3::978302109\n"


@pytest.fixture
def folder_1m(tmp_path: Path) -> Path:
    (tmp_path / "ratings.dat").write_text(RATINGS)
    (tmp_path / "movies.dat").write_text(MOVIES, encoding="latin-1")
    return tmp_path


@pytest.fixture
def folder_100k(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "u.data").write_text("196\t1\t3\t881250949\n186\t2\t4\t891717742\n")
    flags = ["0"] * 19
    toys, unknown = flags.copy(), flags.copy()
    toys[3] = toys[4] = toys[5] = "1"
    unknown[0] = "1"
    (folder / "u.item").write_text(
        f"1|Toy Story (1995)|01-Jan-1995||http://x/M/title?Toy%20Story|{'|'.join(toys)}\n"
        f"2|Caf\u00e9 (1996) |01-Jan-1996|||{'|'.join(unknown)}\n",
        encoding="latin-1",
    )
    return folder


@pytest.fixture
def folder_atomic(tmp_path: Path) -> Path:
    folder = tmp_path / "atomic"
    folder.mkdir()
    (folder / "ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t1\t3\t881250949\n186\t2\t4\t891717742\n"
    )
    (folder / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tAnimation Children's Comedy\n2\tCafé\t1996\tunknown\n",
        encoding="utf-8",
    )
    return folder


def test_1m_keeps_titles_years_and_genres(folder_1m: Path) -> None:
    raw = MovieLens1M().read(folder_1m)
    assert raw.ratings.rows() == [
        (0, "1", "73", 5.0, None, 978300760),
        (1, "1", "1", 3.0, None, 978302109),
    ]
    assert raw.items.rows() == [
        ("1", "Toy Story (1995)", 1995, ["Animation", "Children's", "Comedy"]),
        ("73", "Misérables, Les (1995)", 1995, ["Drama", "Musical"]),
    ]
    assert raw.items.schema["year"] == pl.Int32


def test_1m_without_files_says_where_they_are_from(tmp_path: Path) -> None:
    for path in (None, tmp_path):
        with pytest.raises(DataError, match=r"set data\.path .*grouplens"):
            MovieLens1M().files(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1::73::five::978300760\n", "row 3: rating cannot be read: 'five'"),
        ("1::73::5\n", "row 3: timestamp is empty"),
        ("\n1::1::1::1\n", "row 3: user_id is empty"),
    ],
)
def test_1m_names_the_row_of_a_bad_rating(folder_1m: Path, line: str, message: str) -> None:
    (folder_1m / "ratings.dat").write_text(RATINGS + line)
    with pytest.raises(DataError, match=message):
        MovieLens1M().read(folder_1m)


def test_1m_names_the_row_of_a_bad_movie(folder_1m: Path) -> None:
    (folder_1m / "movies.dat").write_text(MOVIES + "2::Jumanji (1995)\n", encoding="latin-1")
    with pytest.raises(DataError, match=r"movies\.dat, row 3: wanted 3 fields"):
        MovieLens1M().read(folder_1m)


def test_100k_is_the_same_published_and_atomic(folder_100k: Path, folder_atomic: Path) -> None:
    published, atomic = MovieLens100K().read(folder_100k), MovieLens100K().read(folder_atomic)
    assert published.ratings.equals(atomic.ratings)
    assert published.items.equals(atomic.items)
    assert published.items.rows() == [
        ("1", "Toy Story (1995)", 1995, ["Animation", "Children's", "Comedy"]),
        ("2", "Café (1996)", 1996, ["unknown"]),
    ]


def test_100k_without_a_path_is_downloaded(folder_atomic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "fetch_movielens_100k", lambda cache: folder_atomic)
    assert [path.name for path in MovieLens100K().files(None)] == ["ml-100k.inter", "ml-100k.item"]


def test_100k_in_neither_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"wanted u\.data and u\.item, or RecBole's"):
        MovieLens100K().read(tmp_path)
