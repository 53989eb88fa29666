"""Reasons are differences: what the answer is without a part, against what it is with all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.evaluate.health import faithful
from scorerec.pipeline.reasons import explained, falls_without
from scorerec.text.parts import parts, without
from scorerec.text.segments import Segment, render

WEIGHTS = {"1": 0.1, "2": -0.05, "3": 0.2, "b1": 0.15, "Nobody rated it": 0.02}


def prompt(
    titles: str = "12", others: Sequence[str] = ("b1",), told: Sequence[str] = ("Nobody rated it",)
) -> list[Segment]:
    segments = [Segment("wording", "Liked: ["), *(Segment("history", f"'T{item}'", item) for item in titles)]
    segments.append(Segment("wording", "]"))
    opening = ". Others liked: ["
    for behaviour in others:
        segments += [Segment("wording", opening, None, behaviour), Segment("evidence", "'E'", "3", behaviour),
                     Segment("wording", "]", None, behaviour)]  # fmt: skip
        opening = ", ["
    segments += [Segment("verdict", f". {text}") for text in told]
    return [*segments, Segment("wording", ". And "), Segment("target", "'X'", "9"), Segment("wording", "?")]


def score(prompts: Sequence[Sequence[Segment]]) -> np.ndarray:
    """Return 0.3, and the weight of each part that is there."""
    return np.array([0.3 + sum(WEIGHTS.get(part.key, 0.0) for part in parts(one)) for one in prompts])


def test_each_part_is_left_out_once_and_the_strongest_comes_first() -> None:
    (why,) = explained([prompt()], score)
    assert why.p_yes == pytest.approx(0.52)
    assert [reason.part.key for reason in why.reasons] == ["b1", "1", "Nobody rated it", "2"]
    assert [reason.fall for reason in why.reasons] == pytest.approx([0.15, 0.1, 0.02, -0.05])
    assert why.p_without_evidence == pytest.approx(0.52 - 0.17)
    (alone,) = explained([prompt("1", (), ())], score)
    assert (alone.p_without_evidence, len(alone.reasons)) == (None, 1)


def test_a_prompt_without_a_part_reads_as_if_it_had_never_been_there() -> None:
    shown = prompt("12", ("b1", "b2"))
    by_key = {part.key: part for part in parts(shown)}
    assert by_key["b1"].item_ids == ("3",)
    assert render(without(shown, [by_key["b1"]])) == render(prompt("12", ("b2",)))
    assert render(without(shown, [by_key["1"], by_key["b1"], by_key["b2"]])) == render(prompt("2", ()))
    assert without(shown, []) == shown


@given(st.lists(st.sampled_from("123"), max_size=4), st.integers(0, 2), st.data())
def test_parts_that_are_left_out_are_gone_and_others_stay(
    titles: list[str], n_others: int, data: st.DataObject
) -> None:
    shown = prompt("".join(titles), [f"b{n}" for n in range(n_others)])
    own = parts(shown)
    chosen = data.draw(st.lists(st.sampled_from(own), unique=True))
    left = without(shown, chosen)
    assert parts(left) == [part for part in own if part not in chosen]
    assert [one for one in left if one.kind in ("target", "wording") and one.behaviour_id is None] == [
        one for one in shown if one.kind in ("target", "wording") and one.behaviour_id is None
    ]


def test_reasons_that_hold_together_are_faithful() -> None:
    prompts = [prompt("123", ("b1",)) for _ in range(40)] + [prompt("1", (), ())]
    places, falls = falls_without(prompts, score, 2, np.random.default_rng(0))
    assert places.tolist() == list(range(40))  # the last one has too few parts
    assert falls[:, 0] == pytest.approx([0.35] * 40)  # titles 3 and b1
    found = faithful([f"u{n % 8}" for n in range(40)], falls, 2, np.random.default_rng(0))
    assert found.strongest > found.random
    assert found.interval.low > 0
    same = faithful(["u", "v"], np.array([[0.1, 0.1], [0.2, 0.2]]), 2, np.random.default_rng(0))
    assert (same.interval.low, same.interval.high) == (0, 0)
