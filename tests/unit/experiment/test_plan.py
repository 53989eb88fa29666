"""Tests of scorerec.experiment.plan."""

from __future__ import annotations

import pytest

from scorerec.experiment.plan import filled_by, forms_shown


@pytest.mark.parametrize(
    ("stage", "source"),
    [
        ("scores-score", "expectation"),
        ("scores-shuffled", "expectation-shuffled"),  # what it is told is another row's
        ("scores-llm", None),
        ("references", None),
    ],
)
def test_who_fills_the_opinion_that_a_stage_reads(stage: str, source: str | None) -> None:
    assert filled_by(stage, "opinion") == source


def test_forms_that_are_not_chosen_are_not_shown() -> None:
    assert forms_shown("scores-score", ["verdicts", "opinion"]) == ("verdicts", "opinion")
    assert forms_shown("scores-score", ["verdicts"]) == ("verdicts",)
    assert forms_shown("scores-llm", ["verdicts", "opinion"]) == ()
