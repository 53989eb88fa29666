"""The prose of the embedded assessor: what it names, and what it does without metadata."""

from __future__ import annotations

import pytest

from scorerec.core.errors import DataError
from scorerec.text.assessment import metadata_assessment
from scorerec.text.describe import Describer
from scorerec.text.wording import DOMAINS

ITEMS = Describer(
    {
        "c": {"title": "Clerks (1994)", "genres": ["Comedy"], "year": 1994},
        "d": {"title": "Ran (1985)", "genres": ["Drama", "War"], "year": 1985},
        "e": {"title": "Edward Scissorhands (1990)", "genres": ["Drama", "Romance", "Fantasy"], "year": 1990},
        "bare": {"title": "Doom", "genres": None, "year": None},
    }
)
MOVIE = DOMAINS["movie"]


def test_it_names_what_the_history_lacks() -> None:
    assert metadata_assessment(["c", "d"], "e", ITEMS, MOVIE) == (
        "People who also enjoy Romance and Fantasy movies, from around 1990, similar to 'Edward Scissorhands (1990)'."
    )


def test_it_names_what_the_history_has_rarely_after_what_it_lacks() -> None:
    text = metadata_assessment(["c"] * 9 + ["d"], "e", ITEMS, MOVIE)
    assert "enjoy Romance, Fantasy and Drama movies" in text


def test_it_names_everything_where_nothing_is_rare() -> None:
    assert "enjoy Comedy movies" in metadata_assessment(["c"], "c", ITEMS, MOVIE)


def test_it_needs_neither_history_nor_metadata() -> None:
    assert metadata_assessment([], "bare", ITEMS, DOMAINS["game"]) == "People who also enjoy games similar to 'Doom'."
    assert "enjoy Drama and War movies" in metadata_assessment(["bare"], "d", ITEMS, MOVIE)


def test_an_unknown_item_is_an_error() -> None:
    with pytest.raises(DataError, match="nowhere"):
        metadata_assessment(["nowhere"], "c", ITEMS, MOVIE)
