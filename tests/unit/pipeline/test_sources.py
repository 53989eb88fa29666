from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.tables import BEHAVIOURS, CANDIDATES, CONTEXTS, QUERIES, TARGETS
from scorerec.pipeline import sources
from scorerec.pipeline.prompting import ranked
from scorerec.pipeline.sources import BLIND, Source, busy_users, closeness, liked_targets, random_users
from scorerec.retrieve import item_sets as sets
from scorerec.retrieve.vectors import vector_table

LIKED = {"ann": "abc", "bob": "ab", "cid": "xyzw", "dan": "x", "eve": "ac"}


def behaviours(valid_from: int = 0) -> pa.Table:
    rows = [
        {
            "behaviour_id": f"{user}'s",
            "user_id": user,
            "valid_from": valid_from,
            "valid_to": 99,
            "item_ids": list(items),
        }
        for user, items in LIKED.items()
    ]
    return BEHAVIOURS.check(pa.Table.from_pylist(rows, BEHAVIOURS.columns))


def queries(*asked: tuple[str, str]) -> pa.Table:
    rows = [
        {"query_id": f"q{number}", "user_id": user, "n_before": len(items), "snapshot": 9, "item_ids": list(items)}
        for number, (user, items) in enumerate(asked)
    ]
    return QUERIES.check(pa.Table.from_pylist(rows, QUERIES.columns))


def found(source: Source, asked: pa.Table, count: int = 2) -> dict[str, list[str]]:
    return ranked(source.find(asked, behaviours(), count), "query_id")


def test_the_most_active_users_are_the_same_for_everybody_but_themselves():
    asked = queries(("ann", "a"), ("cid", "x"), ("a stranger", "b"), ("somebody new", ""))
    assert found(busy_users(), asked) == {
        "q0": ["cid's", "bob's"],
        "q1": ["ann's", "bob's"],
        "q2": ["cid's", "ann's"],
    }


def test_a_cosine_of_item_sets():
    """Of bob's a, b: two of ann's three, one of eve's two; nobody else has any."""
    asked = queries(("bob", "ab"), ("a stranger", "xyzw"))
    source = sources.item_sets(behaviours(), asked)
    table = source.find(asked, behaviours(), 2)
    assert ranked(table, "query_id") == {"q0": ["ann's", "eve's"], "q1": ["cid's", "dan's"]}
    expected = [2 / np.sqrt(6), 1 / 2, 1.0, 1 / 2]
    assert table["similarity"].to_pylist() == pytest.approx(expected)


def test_item_sets_that_would_not_fit_are_no_source(monkeypatch):
    monkeypatch.setattr(sets, "MOST_VALUES", 5 * 7)
    assert sources.item_sets(behaviours(), queries(("ann", "a"))) is not None
    monkeypatch.setattr(sets, "MOST_VALUES", 5 * 7 - 1)
    assert sources.item_sets(behaviours(), queries(("ann", "a"))) is None


def test_neighbours_are_other_users():
    source = sources.item_sets(behaviours(), queries(("ann", "a")))
    table = source.neighbours(behaviours(), 1).to_pydict()
    pairs = dict(zip(table["behaviour_id"], table["neighbour_id"], strict=True))
    assert pairs["cid's"] == "dan's"
    assert pairs["dan's"] == "cid's"
    assert pairs["ann's"] in ("bob's", "eve's")
    assert all(left != right for left, right in pairs.items())


def test_random_users_are_drawn_by_the_seed_for_each_query():
    asked = queries(*(("a stranger", "a"),) * 40)
    first, again, other = (found(random_users(seed), asked, 1) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    drawn = [name for names in first.values() for name in names]
    assert set(drawn) == {f"{user}'s" for user in LIKED}  # 40 draws of five
    asked = queries(*(("ann", "a"),) * 40)
    assert "ann's" not in [name for names in found(random_users(0), asked).values() for name in names]


def test_random_users_are_of_the_querys_own_time():
    assert random_users(0).find(queries(("ann", "a")), behaviours(valid_from=10), 2).num_rows == 0


def test_blind_sources_are_called_so():
    assert {random_users(0).name, busy_users().name} == set(BLIND)


def test_any_vectors_make_a_source():
    def towards(key: str, names: list[str], numbers: list[float]):
        return lambda _: vector_table(key, names, np.array(numbers, np.float32).reshape(-1, 1))

    names = behaviours()["behaviour_id"].to_pylist()
    source = Source("by number", towards("behaviour_id", names, [1, 2, 3, 4, 5]), towards("query_id", ["q0"], [-1]))
    assert found(source, queries(("bob", "a")), 3) == {"q0": ["ann's", "cid's", "dan's"]}


def test_who_is_alike_may_be_said_by_other_vectors_than_who_is_found():
    """Found are those of the largest number, alike those of the same sign."""

    def numbers(*values: float):
        column = np.array(values, np.float32).reshape(-1, 1)
        return lambda table: vector_table("behaviour_id", table["behaviour_id"].to_pylist(), column)

    source = Source("x", numbers(1, 2, 3, 4, 5), busy_users().queries, numbers(1, -1, -1, -1, 1))
    assert found(source, queries(("a stranger", "a"))) == {"q0": ["eve's", "dan's"]}
    table = source.neighbours(behaviours(), 1).to_pydict()
    pairs = dict(zip(table["behaviour_id"], table["neighbour_id"], strict=True))
    assert (pairs["ann's"], pairs["eve's"]) == ("eve's", "ann's")
    assert {pairs["bob's"], pairs["cid's"], pairs["dan's"]} <= {"bob's", "cid's", "dan's"}


def targets(*rows: tuple[str, str]) -> pa.Table:
    table = [
        {"target_id": f"t{n}", "query_id": query, "item_id": item, "row_id": None, "label": None, "split": None}
        for n, (query, item) in enumerate(rows)
    ]
    return pa.Table.from_pylist(table, TARGETS.columns)


def test_who_of_each_rank_liked_the_target():
    """Candidates are of a query, in any order of rows; nobody is found for q1."""
    rows = [
        {"query_id": "q0", "rank": rank, "behaviour_id": f"{user}'s", "similarity": 0.0}
        for rank, user in [(2, "cid"), (1, "ann"), (3, "eve")]
    ]
    table = CANDIDATES.check(pa.Table.from_pylist(rows, CANDIDATES.columns))
    asked = targets(("q0", "c"), ("q1", "c"), ("q0", "x"), ("q0", "nothing"))
    liked = liked_targets(asked, table, behaviours(), 4)
    assert liked.tolist() == [
        [True, False, True, False],
        [False] * 4,
        [False, True, False, False],
        [False] * 4,
    ]
    assert liked_targets(asked, table, behaviours(), 1)[:, 0].tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("newest", "expected"), [(None, [True, True]), (1, [False, True]), (2, [True, True]), (0, [False, False])]
)
def test_the_newest_items_of_a_context(newest, expected):
    """Ann liked a, b, c in that order; contexts are of a target."""
    rows = [{"target_id": name, "rank": 1, "behaviour_id": "ann's", "score": 0.0} for name in ("t1", "t0")]
    table = CONTEXTS.check(pa.Table.from_pylist(rows, CONTEXTS.columns))
    asked = targets(("q", "b"), ("q", "c"))
    assert liked_targets(asked, table, behaviours(), 1, newest)[:, 0].tolist() == expected


PLACES = {item: np.array(place, np.float32) for item, place in {"a": (1, 0), "b": (0, 1), "c": (0.6, 0.8)}.items()}


@pytest.mark.parametrize(
    ("newest", "of_ann"),
    [(1, 0.6), (2, (0.0 + 0.6) / 2), (9, (1 + 0 + 0.6) / 3)],  # her c; b and c; all three, with the target a
)
def test_how_close_the_titles_shown_come_to_the_target(newest, of_ann):
    """Ann's newest alone for t0; hers and Eve's a, c for t1; nobody is shown to t2, which does not count."""
    rows = [
        {"target_id": name, "rank": rank, "behaviour_id": f"{user}'s", "score": 0.0}
        for name, rank, user in (("t0", 1, "ann"), ("t1", 1, "ann"), ("t1", 2, "eve"))
    ]
    table = CONTEXTS.check(pa.Table.from_pylist(rows, CONTEXTS.columns))
    known = behaviours().filter(pa.array([user in ("ann", "eve") for user in LIKED]))
    found = closeness(targets(("q", "a"), ("q", "a"), ("q", "a")), table, known, PLACES, newest)
    of_eve = 0.6 if newest == 1 else (1 + 0.6) / 2
    assert found == pytest.approx((of_ann + (of_ann + of_eve) / 2) / 2)
    assert closeness(targets(("q", "a")), table.slice(0, 0), known, PLACES, newest) == 0.0
