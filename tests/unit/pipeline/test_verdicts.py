"""Verdicts count what others thought, as of the row: nobody's later opinion, never the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Literal, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorerec.core.tables import INTERACTIONS, QUERIES, SPLITS, TARGETS, VERDICTS
from scorerec.data.corpus import CorpusConfig, build_corpus
from scorerec.pipeline.config import VerdictConfig
from scorerec.pipeline.opinions import OwnRatings
from scorerec.pipeline.verdicts import VerdictCounter, targets_judged

DAY = 86_400


class Row(NamedTuple):
    user: str
    item: str
    label: int
    second: int
    split: str = "train"


def table(rows: Sequence[Row]) -> pa.Table:
    """Return INTERACTIONS of rows in the order of time."""
    before = [sum(one.label for one in rows[:place] if one.user == row.user) for place, row in enumerate(rows)]
    columns = [*zip(*rows, strict=True)]
    users, items, labels, seconds, splits = columns
    ratings = [5.0 if label else 1.0 for label in labels]
    values = [range(len(rows)), users, items, ratings, labels, seconds, splits, before]
    return INTERACTIONS.check(pa.table([pa.array(one) for one in values], names=INTERACTIONS.columns.names))


def verdicts(
    rows: Sequence[Row],
    kind: str = "train",
    n_similar: int = 2,
    draw: int | None = None,
    similarity: Literal["likes", "agreement"] = "likes",
    own_dislikes: bool = False,
) -> list[tuple[int, ...]]:
    """Return the four counts of each row."""
    corpus = build_corpus(table(rows), CorpusConfig(kind=kind, refresh="day"))
    config = VerdictConfig(n_similar=n_similar, similarity=similarity)
    own = OwnRatings(table(rows), "strict") if own_dislikes else None
    found = VerdictCounter(table(rows), kind, config, own=own, draw=draw).count(corpus.targets, corpus.queries)
    assert found["target_id"].equals(corpus.targets["target_id"])
    return [tuple(row.values())[1:] for row in found.to_pylist()]


STORY = [
    Row("ann", "x", 1, 10),
    Row("ann", "y", 0, 20),
    Row("bob", "x", 1, 30),
    Row("bob", "y", 1, 40),
    Row("cat", "z", 1, 50),
    Row("cat", "y", 1, 60),
    Row("dan", "x", 1, 60),
    Row("dan", "y", 1, 60),
    Row("dan", "y", 0, 70, "valid"),
    Row("eve", "y", 0, 80, "test"),
]


def test_a_training_row_counts_what_is_earlier_than_its_second() -> None:
    found = verdicts(STORY)
    assert found[0] == (0, 0, 0, 0)
    assert found[2] == (1, 1, 0, 0)  # bob knows of ann's x, and has liked nothing by which he is like her
    assert found[3] == (1, 0, 1, 0)  # ann, who shares x
    assert found[5] == (2, 1, 0, 0)  # ann and bob share nothing with cat
    assert found[7] == (2, 1, 2, 1)  # cat's y is of the same second: not earlier


def test_judged_rows_count_the_whole_training_part_but_their_own_user() -> None:
    found = verdicts(STORY)
    assert found[8] == (3, 2, 2, 1)  # ann, bob and cat; dan's own y is none, and cat is not like him
    assert found[9] == (4, 3, 0, 0)  # the likes of dan's training row, whatever he thought later


def test_an_as_of_row_counts_what_is_earlier_than_its_snapshot() -> None:
    days = [row._replace(second=row.second * DAY // 10 + 1) for row in STORY]
    found = verdicts(days, "as-of")
    assert found[3] == (1, 0, 1, 0)
    assert found[8] == (3, 2, 2, 1)
    assert found[9] == (4, 2, 0, 0)  # dan thinks otherwise by now


def test_the_most_similar_are_those_who_share_most_for_what_they_like_and_then_the_latest() -> None:
    rows = [
        *(Row("far", item, 1, 1) for item in "abcd"),
        *(Row("near", item, 1, 1) for item in "ab"),
        *(Row("also", item, 1, 1) for item in "ab"),
        Row("near", "e", 1, 1),
        Row("far", "t", 1, 2),
        Row("near", "t", 0, 3),
        Row("also", "t", 1, 4),
        *(Row("me", item, 1, 5) for item in "ab"),
        Row("me", "t", 1, 6),
    ]
    assert [verdicts(rows, n_similar=count)[-1][2:] for count in (1, 2, 3)] == [(1, 1), (2, 1), (3, 2)]


def test_agreement_counts_what_both_did_not_like_and_against_what_they_quarrel_about() -> None:
    rows = [
        Row("friend", "a", 1, 1),
        Row("friend", "c", 0, 1),
        *(Row("half", item, 1, 1) for item in "ac"),
        *(Row("foe", item, 0, 1) for item in "ab"),
        Row("friend", "t", 1, 2),
        Row("half", "t", 0, 3),
        Row("foe", "t", 0, 4),
        *(Row("me", item, 1, 5) for item in "ab"),
        Row("me", "c", 0, 6),
        Row("me", "t", 1, 7),
    ]
    # By likes both friend and half share a; half liked c, which I did not like, and foe neither a nor b.
    assert verdicts(rows, n_similar=3)[-1] == (3, 1, 2, 1)
    assert verdicts(rows, n_similar=3, similarity="agreement")[-1] == (3, 1, 2, 1)
    assert verdicts(rows, n_similar=3, similarity="agreement", own_dislikes=True)[-1] == (3, 1, 1, 1)
    assert verdicts([row for row in rows if row.user != "half"], "train", 3, None, "agreement", True)[-1] == (
        2,
        1,
        1,
        1,
    )


def test_a_draw_takes_any_raters_and_the_same_ones_again() -> None:
    rows = [*(Row(f"u{n}", "t", n % 2, n) for n in range(40)), Row("me", "t", 1, 50)]
    one, again, other = (verdicts(rows, n_similar=10, draw=seed)[-1] for seed in (0, 0, 1))
    assert one == again != other
    assert one[:3] == (40, 20, 10)


def test_a_request_counts_all_that_counts() -> None:
    queries = pa.table([["q"], ["ann"], [1], [2**62], [["x"]]], names=QUERIES.columns.names)
    targets = pa.table([["t"], ["q"], ["y"], pa.nulls(1), pa.nulls(1), pa.nulls(1)], names=TARGETS.columns.names).cast(
        TARGETS.columns
    )
    columns = [("train", (3, 3, 2, 2)), ("as-of", (4, 2, 2, 1))]
    for kind, wanted in columns:
        found = VerdictCounter(table(STORY), kind, VerdictConfig()).count(
            targets, QUERIES.check(queries.cast(QUERIES.columns))
        )
        assert tuple(found.to_pylist()[0].values())[1:] == wanted


@st.composite
def worlds(draw: st.DrawFn) -> list[Row]:
    """Draw a few ratings of few items by few users, with equal seconds and second opinions among them."""
    some = st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(0, 1), st.integers(0, 5))
    drawn = sorted(draw(st.lists(some, min_size=3, max_size=25)), key=lambda row: row[3])
    ends = sorted(draw(st.tuples(st.integers(1, 6), st.integers(1, 6))))
    splits = [SPLITS[sum(row[3] >= end for end in ends)] for row in drawn]
    return [Row(*row[:3], row[3] * DAY, split) for row, split in zip(drawn, splits, strict=True)]


def by_hand(rows: Sequence[Row], place: int, n_similar: int) -> tuple[int, ...]:
    """Count by the words of the module, for the corpus ``train``."""
    own = rows[place]
    known = [row for row in rows if row.split == "train" and (own.split != "train" or row.second < own.second)]
    last = {(row.user, row.item): (number, row.label) for number, row in enumerate(known)}
    liked = {user: {item for (who, item), (_, label) in last.items() if who == user and label} for user in "abcd"}
    mine = {row.item for row in rows[:place] if row.user == own.user and row.label}
    raters = [(user, *last[user, own.item]) for user in "abcd" if user != own.user and (user, own.item) in last]
    likeness = {user: len(mine & liked[user]) / sqrt(max(1, len(liked[user]))) for user, _, _ in raters}
    similar = sorted((one for one in raters if likeness[one[0]]), key=lambda one: (-likeness[one[0]], -one[1]))
    parts = (raters, similar[:n_similar])
    return tuple(number for part in parts for number in (len(part), sum(label for *_, label in part)))


few = settings(max_examples=60, deadline=None)


@few
@given(rows=worlds(), n_similar=st.integers(1, 3))
def test_counts_are_those_by_hand(rows: list[Row], n_similar: int) -> None:
    assert verdicts(rows, n_similar=n_similar) == [by_hand(rows, place, n_similar) for place in range(len(rows))]


def flipped(rows: list[Row], places: Sequence[int]) -> list[Row]:
    return [row._replace(label=1 - row.label) if place in places else row for place, row in enumerate(rows)]


@pytest.mark.parametrize("kind", ["train", "as-of"])
@few
@given(rows=worlds(), data=st.data())
def test_no_label_of_the_row_or_its_user_or_of_later_counts(kind: str, rows: list[Row], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    own = rows[place]
    before = verdicts(rows, kind)[place]
    later = [n for n, row in enumerate(rows) if row.second >= own.second and row.user != own.user]
    if kind == "train" and own.split != "train":  # its evidence is the training part, also what is later there
        later = [n for n in later if rows[n].split != "train"]
    assert verdicts(flipped(rows, [place]), kind)[place] == before
    assert verdicts(flipped(rows, later), kind)[place] == before
    theirs = [n for n, row in enumerate(rows) if row.user == own.user]
    assert verdicts(flipped(rows, theirs), kind)[place][:2] == before[:2]  # likes of theirs say who is similar
    assert verdicts(flipped(rows, [n for n in theirs if n >= place]), kind)[place] == before


@pytest.mark.parametrize("kind", ["train", "as-of"])
@few
@given(rows=worlds(), data=st.data())
def test_no_rating_counts_before_its_time(kind: str, rows: list[Row], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    own = rows[place]
    put_off = [row._replace(second=row.second + 3 * DAY) if row.second > own.second else row for row in rows]
    assert verdicts(put_off, kind)[place] == verdicts(rows, kind)[place]
    counted = [row for row in rows if row.item == own.item and row.user != own.user and row.second < own.second]
    others = [row for row in rows if row not in counted]
    moved = [row._replace(second=own.second, split=own.split) for row in counted]  # to its own second
    found = verdicts(sorted([*others, *moved], key=lambda row: row.second), kind)
    assert found[place - len(counted)] == (0, 0, 0, 0)


def test_labels_of_validation_rows_count_as_of_a_test_row_alone() -> None:
    days = [row._replace(second=row.second * DAY // 10 + 1) for row in STORY]
    other = flipped(days, [8])
    assert verdicts(days)[9] == verdicts(other)[9]
    assert verdicts(days, "as-of")[9] == (4, 2, 0, 0)
    assert verdicts(other, "as-of")[9] == (4, 3, 0, 0)


def test_a_time_decides_who_counts() -> None:
    moved = [row._replace(second=59) if (row.user, row.item) == ("cat", "y") else row for row in STORY]
    assert verdicts(STORY)[7] == (2, 1, 2, 1)
    assert verdicts(moved)[7] == (3, 2, 2, 1)


def test_verdicts_of_nobody_tell_nothing() -> None:
    rows = [dict(zip(VERDICTS.columns.names, row, strict=True)) for row in (("a", 3, 0, 0, 0), ("b", 0, 0, 0, 0))]
    assert targets_judged(pa.Table.from_pylist(rows, VERDICTS.columns)) == {"a"}
