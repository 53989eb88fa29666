"""Augmentation keeps the order, the limit, and everything but the titles that it is about."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scorerec.llm.augment import sample_alike, sample_evidence, sample_history
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


def test_dislikes_vary_like_the_history_and_each_list_for_itself() -> None:
    history = [Segment("history", f"'h{k}'", f"h{k}") for k in range(4)]
    dislikes = [Segment("dislike", f"'d{k}'", f"d{k}") for k in range(4)]
    prompt = [HEAD, *history, TAIL, HEAD, *dislikes, TAIL, TARGET]
    rng = np.random.default_rng(0)
    samples = [sample_history(prompt, 3, rng) for _ in range(300)]
    counts = set()
    for sample in samples:
        left = [segment for segment in sample if segment.kind == "dislike"]
        assert left == [segment for segment in dislikes if segment in left]
        assert [segment for segment in sample if segment.kind in ("wording", "target")] == [
            HEAD,
            TAIL,
            HEAD,
            TAIL,
            TARGET,
        ]
        counts.add((sum(segment.kind == "history" for segment in sample), len(left)))
    assert counts == {(n, m) for n in (1, 2, 3) for m in (1, 2, 3, 4)}  # no budget counts dislikes


def test_dislikes_change_nothing_where_there_are_none() -> None:
    """So that no other method is shown other titles because one method tells dislikes."""
    history = [Segment("history", f"'{k}'", str(k)) for k in range(6)]
    dislike = Segment("dislike", "'d'", "d")
    with_them, without = (
        sample_history(prompt, 3, np.random.default_rng(1)) for prompt in ([*history, dislike], history)
    )
    assert with_them == [*without, dislike]


def test_each_similar_user_keeps_some_titles_and_the_rest_of_the_prompt_stays() -> None:
    evidence = [Segment("evidence", f"'{user}{k}'", str(k), user) for user in "ab" for k in range(5)]
    frame = Segment("wording", "user a:", None, "a")
    history = Segment("history", "'h'", "h")
    prompt = [HEAD, history, frame, *evidence, TAIL, TARGET]
    rng = np.random.default_rng(0)
    samples = [sample_evidence(prompt, 3, rng) for _ in range(100)]
    for sample in samples:
        left = [segment for segment in sample if segment.kind == "evidence"]
        assert [segment for segment in sample if segment.kind != "evidence"] == [HEAD, history, frame, TAIL, TARGET]
        assert left == [segment for segment in evidence if segment in left]
        assert all(1 <= sum(segment.behaviour_id == user for segment in left) <= 3 for user in "ab")
    assert {segment for sample in samples for segment in sample if segment.kind == "evidence"} == set(evidence)


def test_a_prompt_without_evidence_stays_as_it_is() -> None:
    assert sample_evidence([HEAD, TAIL, TARGET], 3, np.random.default_rng(0)) == [HEAD, TAIL, TARGET]


def titles(kind: str, names: str, user: str | None = None) -> list[Segment]:
    return [Segment(kind, f"'{name}'", name, user) for name in names]


@settings(deadline=None)
@given(n=st.integers(1, 8), most=st.none() | st.integers(1, 8), seed=st.integers(0, 99))
def test_prompts_that_begin_alike_keep_the_same_titles(n: int, most: int | None, seed: int) -> None:
    history = titles("history", "abcdefgh")
    stranger = titles("history", "xyz")
    prompts = [
        [HEAD, *history[:n], TAIL, TARGET],
        [HEAD, *stranger, TAIL],
        [HEAD, *history, TAIL],
        [HEAD, *history[:n]],
    ]
    sampled = sample_alike(prompts, "history", most, np.random.default_rng(seed))
    kept = [[part.item_id for part in prompt if part.kind == "history"] for prompt in sampled]
    assert sampled[0][0] == HEAD
    assert sampled[0][-2:] == [TAIL, TARGET]
    assert kept[0] == kept[3]
    assert all(kept)
    assert set(kept[1]) <= set("xyz")
    if set(kept[2]) & set("abcdefgh"[:n]):  # else the shorter one would have lost all
        assert kept[2][: len(kept[0])] == kept[0]


def test_every_number_of_titles_occurs_about_as_often_and_draws_differ() -> None:
    prompts = [titles("history", chr(200 + n) + "bcdef") for n in range(1200)]
    counts = np.bincount([len(prompt) for prompt in sample_alike(prompts, "history", None, np.random.default_rng(0))])
    assert len(counts) == 7
    assert counts[0] == 0
    assert counts[2:].min() > 120
    assert counts[1] < 480  # 0 and 1 of evenly 0 to 6


def test_evidence_stays_alike_behind_the_same_history_alone() -> None:
    def prompt(history: str, user: str, target: str) -> list[Segment]:
        return [*titles("history", history), *titles("evidence", "abcdefgh", user), Segment("target", target, target)]

    prompts = [prompt(h, user, t) for h in map(chr, range(65, 85)) for user in "uv" for t in "12"]
    sampled = sample_alike(prompts, "evidence", None, np.random.default_rng(0))
    shown = [tuple(part.item_id for part in one if part.kind == "evidence") for one in sampled]
    assert shown[::2] == shown[1::2]
    assert len(set(shown)) > 20
    assert [one[-1] for one in sampled] == [one[-1] for one in prompts]
