"""Text is read as it comes, and what it looks like is told without a guess that could be wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from scorerec.core.errors import DataError
from scorerec.data.delimited import found_encoding, found_separators, head, scan_text
from scorerec.data.origin import Origin


def origin(path: Path, text: str, encoding: str = "utf-8", separator: str = ";", first_row: int = 2) -> Origin:
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return Origin(path, first_row, separator, is_quoted=len(separator) == 1, encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("separator", [";", "::"])
def test_any_encoding_and_separator(tmp_path: Path, encoding: str, name: str, separator: str) -> None:
    file = origin(tmp_path / name, f"id{separator}title\n007{separator}Amélie\n", encoding, separator)
    assert scan_text(file).collect().to_dicts() == [{"id": "007", "title": "Amélie"}]


@pytest.mark.parametrize("separator", [";", "::"])
def test_without_a_header_the_names_are_given(tmp_path: Path, separator: str) -> None:
    file = origin(tmp_path / "a.dat", f"1{separator}x\n2{separator}y\n", separator=separator, first_row=1)
    assert scan_text(file, ("id", "title")).collect().rows() == [("1", "x"), ("2", "y")]
    with pytest.raises(DataError, match=r"a\.dat, row 1: wanted 3 fields between .*found 2"):
        scan_text(file, ("id", "title", "year"))


def test_a_line_of_another_width_is_named_where_the_separator_is_long(tmp_path: Path) -> None:
    file = origin(tmp_path / "a.dat", "1::x\n2::y::z\n", separator="::", first_row=1)
    with pytest.raises(DataError, match=r"a\.dat, row 2: wanted 2 fields .* found 3"):
        scan_text(file, ("id", "title"))


def test_utf_16_that_was_not_named_is_told(tmp_path: Path) -> None:
    file = origin(tmp_path / "a.csv", "id;title\n1;x\n", "utf-16")
    with pytest.raises(DataError, match=r'wanted text in UTF-8, found UTF-16; .* data\.source\.encoding = "utf-16" '):
        scan_text(Origin(file.path, 2, ";", encoding="utf-8"))
    with pytest.raises(DataError, match=r"save it as UTF-8$"):
        scan_text(Origin(file.path, 2, ";"))


def test_a_byte_that_is_in_no_such_encoding_is_named_with_its_row(tmp_path: Path) -> None:
    file = origin(tmp_path / "a.csv", "id;title\n1;x\n2;Amélie\n", "latin-1")
    with pytest.raises(DataError, match=r"a\.csv, row 3: wanted text in ascii, found the byte 0xe9"):
        scan_text(Origin(file.path, 2, ";", encoding="ascii"))
    with pytest.raises(
        DataError, match=r"row 3: wanted text in UTF-8, found the byte 0xe9; .* or set data\.source\.enc"
    ):
        raise Origin(file.path, 2, ";", encoding="utf-8").unreadable(OSError())


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("utf-16-be", "utf-16-be"), ("cp1252", None)],
)
def test_the_encoding_is_found(tmp_path: Path, encoding: str, found: str | None) -> None:
    assert found_encoding(origin(tmp_path / "a.csv", "id;title\n1;Amélie\n", encoding).path) == found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["1::2::3", "4::5::6"], ["::"]),
        (["id,title", '1,"a, b; c"', "2,d"], [","]),
        (["a;b;c,d", "1;2;3,4"], [";", ","]),
        (["one", "two"], []),
    ],
)
def test_separators_that_divide_every_line_alike(lines: list[str], found: list[str]) -> None:
    assert found_separators(lines) == found


def test_the_first_lines_have_no_mark_and_no_end(tmp_path: Path) -> None:
    assert head(origin(tmp_path / "a.csv", "id\r\n\r\n1\r\n", "utf-8-sig")) == ["id", "1"]
