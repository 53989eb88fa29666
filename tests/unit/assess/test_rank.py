"""Eq. 8-9 by hand: cosines, order, ties, and what each text costs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.assess import rank as rank_module
from scorerec.assess.rank import rank, rank_by_titles
from scorerec.core.errors import DataError, ModelError
from scorerec.core.tables import ASSESSMENTS, CANDIDATES, TARGETS

# Directions in the plane; (3, 4) has length 5, so that its cosine with (1, 0) is 0.6 and with (0, 1) is 0.8.
PLANE = {"east": (1, 0), "north": (0, 2), "between": (3, 4), "west": (-1, 0), "nothing": (0, 0)}
TEXTS = {"a": "east", "b": "between", "c": "north", "d": "west", "e": "between", "n": "nothing"}


class Embedder:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: list[str]) -> np.ndarray:
        self.calls.append(texts)
        return np.array([PLANE[text] for text in texts], np.float32)


def assessments(**replies: str) -> pa.Table:
    rows = [
        {
            "target_id": name,
            "reply": reply,
            "model": "m",
            "prompt_hash": "h",
            "tokens_in": None,
            "tokens_out": None,
        }
        for name, reply in replies.items()
    ]
    return ASSESSMENTS.check(pa.Table.from_pylist(rows, ASSESSMENTS.columns))


def targets(**queries: str) -> pa.Table:
    rows = [
        {
            "target_id": name,
            "query_id": query,
            "item_id": "i",
            "row_id": None,
            "label": None,
            "split": "train",
        }
        for name, query in queries.items()
    ]
    return TARGETS.check(pa.Table.from_pylist(rows, TARGETS.columns))


def candidates(**behaviours: str) -> pa.Table:
    rows = [
        {"query_id": query, "rank": place, "behaviour_id": behaviour, "similarity": 0.5}
        for query, names in behaviours.items()
        for place, behaviour in enumerate(names, start=1)
    ]
    return CANDIDATES.check(pa.Table.from_pylist(rows, CANDIDATES.columns))


def test_candidates_are_ordered_by_cosine() -> None:
    ranking = rank(
        assessments(t1="east", t2="north"),
        targets(t1="q1", t2="q1"),
        candidates(q1="abcd"),
        TEXTS,
        Embedder(),
    )
    assert ranking.to_pydict() == {
        "target_id": ["t1"] * 4 + ["t2"] * 4,
        "rank": [1, 2, 3, 4, 1, 2, 3, 4],
        "behaviour_id": ["a", "b", "c", "d", "c", "b", "a", "d"],
        "relevance": pytest.approx([1.0, 0.6, 0.0, -1.0, 1.0, 0.8, 0.0, 0.0]),
    }


@pytest.mark.parametrize("first", ["be", "eb"])
def test_a_tie_goes_to_the_better_candidate(first: str) -> None:
    shuffled = candidates(q="a" + first).take(pa.array([2, 0, 1]))
    ranking = rank(assessments(t="north"), targets(t="q"), shuffled, TEXTS, Embedder())
    assert ranking["behaviour_id"].to_pylist() == [*first, "a"]


def test_every_distinct_text_is_embedded_once() -> None:
    embed = Embedder()
    rank(
        assessments(t1="east", t2="north", t3="east"),
        targets(t1="q1", t2="q2", t3="q2"),
        candidates(q1="abc", q2="bde"),
        TEXTS,
        embed,
    )
    assert [sorted(call) for call in embed.calls] == [["between", "east", "north", "west"]]


def test_a_target_without_candidates_gets_no_rows_and_texts_that_nobody_needs_are_not_embedded() -> None:
    embed = Embedder()
    ranking = rank(assessments(t1="west"), targets(t1="q1"), candidates(q2="ab"), TEXTS, embed)
    assert ranking.num_rows == 0
    assert embed.calls == []


def test_a_text_without_a_direction_is_neither_like_nor_unlike() -> None:
    ranking = rank(assessments(t="east"), targets(t="q"), candidates(q="dna"), TEXTS, Embedder())
    assert ranking["behaviour_id"].to_pylist() == ["a", "n", "d"]
    assert ranking["relevance"].to_pylist() == [1.0, 0.0, -1.0]


@given(st.integers(1, 7), st.lists(st.permutations("abcden"), min_size=1, max_size=4))
def test_ranks_are_complete_and_the_chunk_size_changes_nothing(chunk: int, behaviours: list[list[str]]) -> None:
    names = {f"q{n}": "".join(order) for n, order in enumerate(behaviours)}
    inputs = (
        assessments(**{f"t{n}": "between" for n in range(len(names))}),
        targets(**{f"t{n}": f"q{n}" for n in range(len(names))}),
        candidates(**names),
        TEXTS,
    )
    whole = rank(*inputs, Embedder())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rank_module, "_PAIRS_AT_ONCE", chunk)
        assert rank(*inputs, Embedder()).equals(whole)
    assert whole["rank"].to_pylist() == [1, 2, 3, 4, 5, 6] * len(names)


def test_an_assessed_target_that_is_nowhere_is_an_error() -> None:
    with pytest.raises(DataError, match="'t9'"):
        rank(assessments(t9="east"), targets(t1="q"), candidates(q="a"), TEXTS, Embedder())


def test_a_candidate_without_text_is_an_error() -> None:
    with pytest.raises(DataError, match="'x'"):
        rank(assessments(t="east"), targets(t="q"), candidates(q="ax"), TEXTS, Embedder())


@pytest.mark.parametrize("vectors", [np.zeros((1, 2)), np.zeros(2), np.full((2, 2), np.nan)])
def test_an_embedder_that_returns_nonsense_is_an_error(vectors: np.ndarray) -> None:
    with pytest.raises(ModelError, match="text embedder"):
        rank(assessments(t="east"), targets(t="q"), candidates(q="b"), TEXTS, lambda _: vectors)


# Items in the plane, of any length; the target lies in the east.
ITEMS = {
    "i": np.array([2.0, 0.0], np.float32),
    "east": np.array([1.0, 0.0], np.float32),
    "sixty": np.array([3.0, 4.0], np.float32),  # cosine 0.6 with the target
    "eighty": np.array([8.0, 6.0], np.float32),  # 0.8
    "north": np.array([0.0, 5.0], np.float32),
    "west": np.array([-1.0, 0.0], np.float32),
}


def by_titles(behaviours: dict[str, list[str]], asked: pa.Table | None = None, **queries: str) -> dict[str, list]:
    asked = assessments(t="whatever was said") if asked is None else asked
    table = candidates(**(queries or {"q": "".join(behaviours)}))
    names = asked["target_id"].to_pylist()
    return rank_by_titles(asked, targets(**dict.fromkeys(names, "q")), table, behaviours, ITEMS).to_pydict()


def test_the_three_closest_items_speak_for_a_behaviour() -> None:
    """a: 1, 0.8, 0.6 of four; b: the target itself alone; c: 0.8 and 0; d: three, of which one lies behind."""
    found = by_titles(
        {
            "a": ["west", "sixty", "east", "eighty"],
            "b": ["i"],
            "c": ["north", "eighty"],
            "d": ["east", "sixty", "west"],
        }
    )
    assert found == {
        "target_id": ["t"] * 4,
        "rank": [1, 2, 3, 4],
        "behaviour_id": ["b", "a", "c", "d"],
        "relevance": pytest.approx([1.0, 0.8, 0.4, 0.2]),
    }


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_equal_titles_leave_the_order_of_candidates(order: str) -> None:
    assert by_titles({"a": ["north"], "b": ["north"]}, q=order)["behaviour_id"] == list(order)


def test_a_behaviour_without_items_is_last() -> None:
    assert by_titles({"a": [], "b": ["north"]})["behaviour_id"] == ["b", "a"]
    assert by_titles({"a": [], "b": ["north"]})["relevance"] == [0.0, -1.0]


def test_only_asked_targets_are_ranked_in_their_order() -> None:
    asked = assessments(t2="x", t1="y")
    found = by_titles({"a": ["north"], "b": ["east"]}, asked)
    assert found["target_id"] == ["t2", "t2", "t1", "t1"]
    assert found["behaviour_id"] == ["b", "a"] * 2
    assert by_titles({"a": ["north"]}, asked, other="a")["rank"] == []


def test_a_target_or_an_item_without_a_vector_is_named() -> None:
    with pytest.raises(DataError, match="'nowhere' has no items, or no description"):
        by_titles({"a": ["nowhere"]})
    with pytest.raises(DataError, match="'b' has no items"):
        by_titles({"a": ["north"]}, q="ab")
