"""Atomic files: typed headers, lists and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorerec.core.errors import DataError
from scorerec.data.sources.columns import ColumnMap
from scorerec.data.sources.recbole import RecBoleFiles

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n007\tx\t4.5\t12\n8\ty\t\t13.0\n"
ITEM = 'item_id:token\tname:token_seq\tprice:float\ttags:token_seq\nx\tThe "X"\t9.5\tred big\ny\tY\t\t\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.inter").write_text(INTER)
    (tmp_path / "shop.item").write_text(ITEM)
    return tmp_path


def test_types_come_from_the_header(folder: Path) -> None:
    raw = RecBoleFiles().read(folder)
    assert raw.ratings.rows() == [(0, "007", "x", 4.5, None, 12), (1, "8", "y", None, None, 13)]
    assert raw.items.to_dicts() == [
        {"item_id": "x", "title": 'The "X"', "price": 9.5, "tags": ["red", "big"]},
        {"item_id": "y", "title": "Y", "price": None, "tags": []},
    ]


def test_the_path_may_be_the_file(folder: Path) -> None:
    (folder / "other.inter").write_text(INTER)
    assert RecBoleFiles().read(folder / "shop.inter").ratings.height == 2
    with pytest.raises(DataError, match=r"wanted one \.inter file, found \['other.inter', 'shop.inter'\]"):
        RecBoleFiles().read(folder)


def test_columns_may_have_other_names(folder: Path) -> None:
    (folder / "shop.inter").write_text(INTER.replace("rating:", "stars:"))
    with pytest.raises(DataError, match=r"no column 'rating' .*'stars'.*data\.source\.columns\.rating"):
        RecBoleFiles().read(folder)
    source = RecBoleFiles(columns=ColumnMap(rating="stars"))
    assert source.read(folder).ratings["rating"].to_list() == [4.5, None]


def test_a_header_without_types_is_refused(folder: Path) -> None:
    (folder / "shop.item").write_text(ITEM.replace(":token_seq", ""))
    with pytest.raises(DataError, match=r"shop\.item, row 1: columns \['name', 'tags'\] have no type"):
        RecBoleFiles().read(folder)


def test_a_bad_number_is_refused_with_its_file(folder: Path) -> None:
    (folder / "shop.inter").write_text(INTER + "9\tx\tlots\t14\n")
    with pytest.raises(DataError, match=r"shop\.inter, row 4: rating cannot be read: 'lots'"):
        RecBoleFiles().read(folder)
    (folder / "shop.inter").write_text(INTER)
    (folder / "shop.item").write_text(ITEM + "z\tZ\tcheap\t\n")
    with pytest.raises(DataError, match=r"shop\.item, row 4: price cannot be read as float: 'cheap'"):
        RecBoleFiles().read(folder)


def test_missing_files_are_named(tmp_path: Path, folder: Path) -> None:
    (folder / "shop.item").unlink()
    with pytest.raises(DataError, match=r"shop\.item: no such file"):
        RecBoleFiles().read(folder)
    with pytest.raises(DataError, match="no path given"):
        RecBoleFiles().read(None)
