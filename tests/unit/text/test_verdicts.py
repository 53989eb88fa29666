"""Verdicts in words: every case has its own plain sentence, and no budget cuts it."""

from __future__ import annotations

import pytest

from scorerec.text import prompts
from scorerec.text.budget import Budget, fit
from scorerec.text.describe import Describer
from scorerec.text.segments import Segment, render
from scorerec.text.verdicts import Verdict, verdict
from scorerec.text.wording import DOMAINS, DomainWords

MOVIE = DOMAINS["movie"]
TITLES = Describer({str(n): {"title": f"T{n}"} for n in range(9)})


def with_verdict(n_titles: int = 3) -> list[Segment]:
    basic = prompts.basic([str(n) for n in range(n_titles)], "8", TITLES, MOVIE)
    others = prompts.others_titles([("u", ["4", "5"])], TITLES, MOVIE)
    return prompts.with_evidence(basic, others, [verdict(Verdict(40, 31, 8, 7), MOVIE, "figures")])


def test_it_stands_between_the_target_and_the_question() -> None:
    assert render(with_verdict()).endswith(
        "predict whether the user would enjoy the movie titled 'T8'. Of 40 other viewers, 31 liked it. "
        "Of the 8 most similar, 7 liked it. Respond with either 'Yes' or 'No'."
    )
    without = [part for part in with_verdict() if part.kind != "verdict"]
    assert without == prompts.augmented(["0", "1", "2"], [("u", ["4", "5"])], "8", TITLES, MOVIE)


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ((0, 0, 0, 0), "No other viewers are known to have rated it"),
        (
            (1, 0, 0, 0),
            "One of the other viewers rated it and did not like it. Nobody similar is known to have rated it",
        ),
        ((1, 1, 1, 1), "One of the other viewers rated it and liked it. The most similar one liked it"),
        ((7, 2, 1, 0), "Of 7 other viewers, 2 liked it. The most similar one did not like it"),
        ((7, 2, 2, 0), "Of 7 other viewers, 2 liked it. Of the 2 most similar, 0 liked it"),
    ],
)
def test_each_case(counts: tuple[int, int, int, int], wanted: str) -> None:
    assert verdict(Verdict(*counts), MOVIE, "figures").text == f". {wanted}"


def test_shares_beside_figures() -> None:
    text = verdict(Verdict(3, 2, 2, 1), DOMAINS["book"], "percent").text
    assert text == ". Of 3 other readers, 2 (67%) liked it. Of the 2 most similar, 1 (50%) liked it"


def test_a_budget_takes_titles_and_leaves_the_verdict() -> None:
    full = with_verdict()
    for tokens in range(45, 60):
        left = fit(full, Budget(tokens=tokens), lambda text: len(text.split())).segments
        assert [part for part in left if part.kind in ("target", "verdict")] == [full[-3], full[-2]]


def test_a_domain_that_says_nothing_of_people_is_written_as_before() -> None:
    own = {"singular": "recipe", "plural": "recipes", "consumed": "cooked"}
    assert "people" not in DomainWords(**own).model_dump()
    assert DomainWords(**own, people="cooks").model_dump()["people"] == "cooks"


def test_a_short_question_ends_with_the_target_and_the_verdict_comes_before_it() -> None:
    basic = prompts.basic(["0"], "8", TITLES, MOVIE, "short")
    told = verdict(Verdict(40, 31, 8, 7), MOVIE, "words")
    assert render(prompts.with_evidence(basic, [], [told], "short")) == (
        "The user has highly rated the following movies: ['T0']. Other viewers liked it a lot. The most similar ones "
        "loved it. Did the user like the movie 'T8'? Answer:"
    )


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ((0, 0, 0, 0), "No other viewers are known to have rated it"),
        # (1 + 1.8) / (3 + 3) = .467; (1 + 1.8) / (1 + 3) = .70; (1 + 3 x .70) / (1 + 3) = .775
        ((3, 1, 0, 0), "Other viewers did not much like it. Nobody similar is known to have rated it"),
        ((1, 1, 1, 1), "Other viewers liked it. The most similar ones liked it a lot"),
        # 1.8 / 103 = .017; 101.8 / 103 = .988, and (0 + 3 x .988) / 19 = .156
        ((100, 0, 0, 0), "Other viewers hated it. Nobody similar is known to have rated it"),
        ((100, 100, 16, 0), "Other viewers loved it. The most similar ones hated it"),
    ],
)
def test_shares_are_told_as_feelings(counts: tuple[int, int, int, int], wanted: str) -> None:
    assert verdict(Verdict(*counts), MOVIE, "words").text == f". {wanted}"


def test_the_share_behind_a_feeling_can_stand_beside_it() -> None:
    told = verdict(Verdict(3, 1, 0, 0), MOVIE, "words and percent").text
    assert told == ". Other viewers did not much like it (47%). Nobody similar is known to have rated it"
    assert verdict(Verdict(100, 0, 9, 9), MOVIE, "words and percent").text == (
        ". Other viewers hated it (2%). The most similar ones liked it a lot (75%)"  # (9 + 3 x .017) / 12
    )


def test_names_among_the_words_of_a_domain_keep_their_letters() -> None:
    words = MOVIE.model_copy(update={"people": "Netflix subscribers"})
    assert verdict(Verdict(4, 2, 0, 0), words, "words").text.startswith(". Other Netflix subscribers ")
