"""A file that a reader gave up on is gone through for the row that is damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from scorerec.data.origin import Origin


def packed(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"a,b\n1,2\n1,2,3\n", ", row 3: wanted 2 fields as in row 1, found 3; ", id="too much"),
        pytest.param(b"a,b\n1,\xe9\n", ", row 2: wanted text in UTF-8, found the byte 0xe9; ", id="encoding"),
        pytest.param(b'a,b\n1,"x"y\n', ", row 2: ',' expected after '\"'; ", id="after a quote"),
        pytest.param(b'a,b\n1,"x\n', ", row 2: unexpected end of data; ", id="open quote"),
        pytest.param(b"a,b\n1,2\n", ": cannot be read: odd; ", id="no damage that is seen"),
        pytest.param(packed(b"a,b\n1,\xe9\n"), ", row 2: wanted text in UTF-8", id="packed"),
        pytest.param(packed(b"a,b\n1,2\n")[:-9], ": cannot be read to its end: Compressed file ended", id="cut"),
        pytest.param(packed(b"a,b\n1,2\n")[:10] + b"\xff" * 20, ": cannot be read to its end: Error -3", id="spoilt"),
    ],
)
def test_the_damaged_row_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    error = Origin(path, first_row=2, separator=",", is_quoted=True).unreadable(ValueError("odd\nand more"))
    assert str(error).startswith(f"{path}{message}")
    assert str(error).endswith("correct the file, save it as UTF-8, or fetch it again")


def test_what_is_no_text_is_not_gone_through(tmp_path: Path) -> None:
    error = Origin(tmp_path / "t.parquet").unreadable(OSError())
    assert str(error) == f"{tmp_path}/t.parquet: cannot be read: OSError; correct the file, or fetch it again"
