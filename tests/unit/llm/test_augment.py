"""History augmentation keeps the order, the limit, and everything that is not history."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scorerec.llm.augment import sample_history
from scorerec.text.segments import Segment

HEAD, TAIL, TARGET = Segment("wording", "["), Segment("wording", "]"), Segment("target", "'T'", "t")


@settings(deadline=None)
@given(n=st.integers(0, 30), most=st.none() | st.integers(0, 12), seed=st.integers(0, 99))
def test_some_titles_are_left_in_their_order(n: int, most: int | None, seed: int) -> None:
    history = [Segment("history", f"'{k}'", str(k)) for k in range(n)]
    prompt = [HEAD, *history, TAIL, TARGET]
    sampled = sample_history(prompt, most, np.random.default_rng(seed))
    left = [segment for segment in sampled if segment.kind == "history"]
    assert [segment for segment in sampled if segment.kind != "history"] == [HEAD, TAIL, TARGET]
    assert left == [segment for segment in history if segment in left]
    if most == 0:  # the budget takes them all out
        assert left == history
    else:
        assert min(n, 1) <= len(left) <= (n if most is None else min(n, most))


def test_every_number_of_titles_and_every_title_occurs() -> None:
    history = [Segment("history", f"'{k}'", str(k)) for k in range(6)]
    rng = np.random.default_rng(0)
    samples = [sample_history(history, 3, rng) for _ in range(300)]
    assert {len(sample) for sample in samples} == {1, 2, 3}
    assert {segment.item_id for sample in samples for segment in sample} == set("012345")
