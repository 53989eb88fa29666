"""Whatever a file holds, it ends as tables or as an error that scorerec raises on purpose.

SCOREREC_FUZZ=5000 tries that many examples per source instead of a few.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorerec.core.errors import ScorerecError
from scorerec.core.tables import INTERACTIONS, ITEMS
from scorerec.data.prepare import DataConfig, prepare

EXAMPLES = int(os.environ.get("SCOREREC_FUZZ", "25"))
POLICIES = st.fixed_dictionaries(
    {
        "untitled_items": st.sampled_from(["error", "drop"]),
        "repeated_items": st.sampled_from(["error", "first"]),
        "unknown_items": st.sampled_from(["error", "drop"]),
        "repeats": st.sampled_from(["error", "keep", "first", "last"]),
        "ties": st.sampled_from(["file", "strict"]),
        "split": st.sampled_from(
            [
                {"by": "time-fractions", "train": 0.5, "valid": 0.25},
                {"by": "user-time", "train": 0.4, "valid": 0.3},
                {"by": "months"},
            ]
        ),
    }
)
# Odd bytes and odd values: ends of text, quotes, separators, signs, numbers at the edge of their types.
SEPARATORS = [b"::", b"\t", b"|", b","]
CHARACTERS = [b"\0", b"\n", b"\r", b"\r\n", b'"', b'""', b" ", b"\x1f", b"\x85", b"\xff", b"\xef\xbb\xbf", b"\xc3\xa9"]
NUMBERS = [b"nan", b"inf", b"-1", b"1e400", b"1e18", b"9223372036854775807", b"-9223372036854775808", b"9" * 20]
WORDS = ["(١٩٩٥)".encode(), b":token", b":float_seq", b"position", b"title", b"x" * 200_000]
MORSELS = st.sampled_from([*SEPARATORS, *CHARACTERS, *NUMBERS, *WORDS]) | st.binary(max_size=4)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Return the content after a few accidents."""
    for _ in range(draw(st.integers(1, 3))):
        content = draw(st.sampled_from(ACCIDENTS))(draw, content)
    return content


def overwritten(draw: st.DrawFn, content: bytes) -> bytes:
    place, morsel = draw(st.integers(0, len(content))), draw(MORSELS)
    return content[:place] + morsel + content[place + len(morsel) :]


def inserted(draw: st.DrawFn, content: bytes) -> bytes:
    place = draw(st.integers(0, len(content)))
    return content[:place] + draw(MORSELS) + content[place:]


def cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def without_a_line(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.split(b"\n")
    del lines[draw(st.integers(0, len(lines) - 1))]
    return b"\n".join(lines)


def with_a_line_twice(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.split(b"\n")
    lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(lines)))
    return b"\n".join(lines)


def with_another_field(draw: st.DrawFn, content: bytes) -> bytes:
    """Replace or move what stands between two separators of a line."""
    lines = content.split(b"\n")
    row = draw(st.integers(0, len(lines) - 1))
    separator = draw(st.sampled_from(SEPARATORS))
    fields = lines[row].split(separator)
    field = draw(st.integers(0, len(fields) - 1))
    fields[field] = draw(MORSELS | st.sampled_from(fields))
    lines[row] = separator.join(fields)
    return b"\n".join(lines)


ACCIDENTS = [overwritten, inserted, cut, without_a_line, with_a_line_twice, with_another_field]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="SCOREREC_FUZZ" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(in_files: Any, data: st.DataObject) -> None:
    in_files.again()
    file = data.draw(st.integers(0, 1), label="file")
    if in_files.case.separators and (not in_files.case.is_packed or data.draw(st.booleans(), label="inside")):
        in_files.put(file, data.draw(damaged(in_files.text(file))))
    else:
        damage(in_files.files[file], data)
    settings = {**in_files.config.model_dump(), **data.draw(POLICIES)}
    try:
        prepared = prepare(DataConfig.model_validate(settings))
    except ScorerecError:
        return
    assert INTERACTIONS.check(prepared.interactions).num_rows > 0
    assert ITEMS.check(prepared.items).num_rows > 0


def damage(path: Path, data: st.DataObject) -> None:
    path.write_bytes(data.draw(damaged(path.read_bytes())))
