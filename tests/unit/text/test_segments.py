"""Segments: rendering, and the way to a table and back."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import SEGMENT
from scorerec.text import prompts
from scorerec.text.describe import Describer
from scorerec.text.segments import Segment, from_rows, render, to_rows
from scorerec.text.wording import DOMAINS

ITEMS = Describer({str(n): {"title": f"T{n}"} for n in range(9)})
MOVIE = DOMAINS["movie"]
PROMPT = prompts.augmented(["1", "2"], [("a", ["3", "4"]), ("b", ["5", "6"])], "7", ITEMS, MOVIE)


def test_adjacent_titles_of_two_behaviours_are_not_one_list() -> None:
    parts = [Segment("evidence", "'A'", "1", "a"), Segment("evidence", "'B'", "2", "b")]
    assert render(parts) == "'A''B'"


def test_any_subset_of_titles_leaves_well_formed_lists() -> None:
    places = [place for place, part in enumerate(PROMPT) if part.kind in ("history", "evidence")]
    for kept in itertools.product([True, False], repeat=len(places)):
        gone = {place for place, keep in zip(places, kept, strict=True) if not keep}
        left = [part for place, part in enumerate(PROMPT) if place not in gone]
        names = {
            behaviour: ", ".join(
                part.text for part in left if part.kind != "target" and part.item_id and part.behaviour_id == behaviour
            )
            for behaviour in (None, "a", "b")
        }
        assert render(left) == (
            f"The user has highly rated the following movies: [{names[None]}]. Other users with "
            "similar preferences have given high ratings to the movies: "
            f"[{names['a']}], [{names['b']}]. "
            "Based on this information, predict whether the user would enjoy the movie titled 'T7'. "
            "Respond with either 'Yes' or 'No'."
        )


def test_without_the_last_behaviours_segments_the_prompt_is_the_one_without_that_behaviour() -> None:
    without_b = [part for part in PROMPT if part.behaviour_id != "b"]
    assert without_b == prompts.augmented(["1", "2"], [("a", ["3", "4"])], "7", ITEMS, MOVIE)
    without_both = [part for part in PROMPT if part.behaviour_id is None]
    assert without_both == prompts.basic(["1", "2"], "7", ITEMS, MOVIE)


def test_segments_survive_a_table() -> None:
    column = pa.array([to_rows(PROMPT)], pa.list_(SEGMENT))
    assert from_rows(column[0].as_py()) == PROMPT


@pytest.mark.parametrize("row", [("heading", "x", None, None), ("wording", None, None, None)])
def test_a_row_that_is_no_segment_is_refused(row: tuple[str, str, None, None]) -> None:
    with pytest.raises(DataError, match="wording, history, dislike, evidence, target"):
        from_rows([Segment(*row)._asdict()])
