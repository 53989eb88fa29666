"""What baselines add to P^b."""

from __future__ import annotations

from scorerec.text.describe import Describer
from scorerec.text.features import disliked
from scorerec.text.prompts import basic
from scorerec.text.segments import Segment, from_rows, render, to_rows
from scorerec.text.wording import DOMAINS

MOVIE = DOMAINS["movie"]
MOVIES = Describer({"1": {"title": "Heat (1995)"}, "2": {"title": "Ronin (1998)"}, "3": {"title": "Clue (1985)"}})


def test_dislikes_are_a_sentence_with_a_segment_for_each_title() -> None:
    prompt = disliked(basic(["1"], "2", MOVIES, MOVIE), ["3", "1"], MOVIES, MOVIE)
    assert render(prompt) == (
        "The user has highly rated the following movies: ['Heat (1995)']. The user has not highly rated the following "
        "movies: ['Clue (1985)', 'Heat (1995)']. Based on this information, predict whether the user would enjoy the "
        "movie titled 'Ronin (1998)'. Respond with either 'Yes' or 'No'."
    )
    titles = [part for part in prompt if part.kind == "dislike"]
    assert titles == [Segment("dislike", "'Clue (1985)'", "3"), Segment("dislike", "'Heat (1995)'", "1")]
    assert from_rows(to_rows(prompt)) == prompt


def test_without_dislikes_nothing_is_said_of_them() -> None:
    prompt = basic(["1"], "2", MOVIES, MOVIE)
    assert disliked(prompt, [], MOVIES, MOVIE) == prompt
