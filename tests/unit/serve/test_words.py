"""Reasons in words: one sentence for each kind of part."""

from __future__ import annotations

from scorerec.pipeline.reasons import Reason, Reasons
from scorerec.serve.words import in_words
from scorerec.text.parts import Part
from scorerec.text.wording import DOMAINS

PARTS = (
    Part("title", "1", ("1",)),
    Part("dislike", "2", ("2",)),
    Part("neighbour", "b7", ("1", "2")),
    Part("told", "Of 9 viewers, 7 liked it"),
)


def test_each_kind_of_reason_has_its_sentence() -> None:
    reasons = Reasons(0.74, 0.5, tuple(Reason(part, 0.61, 0.13) for part in PARTS))
    told = in_words(reasons, lambda item: f"T{item}", {"b7": "A"}.__getitem__, DOMAINS["movie"])
    assert told == [
        "They liked T1: without that 61% instead of 74%.",
        "They did not like T2: without that 61% instead of 74%.",
        "Viewer A, who is like them, liked T1 and T2: without that 61% instead of 74%.",
        "Of 9 viewers, 7 liked it: without that 61% instead of 74%.",
        "Without all that is told of others: 50% instead of 74%.",
    ]


def test_what_speaks_against_an_item_says_so_and_what_moves_nothing_is_not_told() -> None:
    parts = Reason(PARTS[0], 0.8, -0.06), Reason(PARTS[1], 0.741, -0.001)
    (against,) = in_words(Reasons(0.74, None, parts), str, str, DOMAINS["movie"])
    assert against == "They liked 1: without that 80% instead of 74%, so it speaks against it."
    (none,) = in_words(Reasons(0.74, None, parts[1:]), str, str, DOMAINS["movie"])
    assert none == "No single part of what was read moves the answer, 74%, by half a percent."
