"""What is known of a target is known at its moment: nobody's later rating, and never the row's own label."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log1p

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.core.tables import ITEMS
from scorerec.data.corpus import CorpusConfig, build_corpus
from scorerec.pipeline.knowledge import KnowledgeCounter
from scorerec.pipeline.opinions import Asker, OwnRatings, own_of
from scorerec.pipeline.sharing import SharedFinder
from tests.unit.pipeline.test_verdicts import STORY, Row, few, flipped, table, worlds

CATALOGUE = ITEMS.check(
    pa.table(
        {
            "item_id": list("abcdextyz"),
            "title": list("ABCDEXTYZ"),
            "genres": [["War"], ["War"], ["Art"], ["Art"], ["Art"], ["War"], ["War", "Art"], ["War", "Art"], []],
            "year": [1990 + n for n in range(9)],
        }
    )
)


def known(
    rows: Sequence[Row], kind: str = "train", own_dislikes: bool = True, ties: str = "file"
) -> list[dict[str, float]]:
    """Return what is known of each row."""
    corpus = build_corpus(table(rows), CorpusConfig(kind=kind, refresh="day"))
    own = OwnRatings(table(rows), ties) if own_dislikes else None
    counter = KnowledgeCounter(table(rows), CATALOGUE, kind, own)
    found: list[dict[str, float]] = counter.count(corpus.targets, corpus.queries).to_pylist()
    return found


def shared(rows: Sequence[Row], kind: str = "train") -> list[tuple[int, bool, list[str]]]:
    """Return who is like the user of the last row, and in what."""
    corpus = build_corpus(table(rows), CorpusConfig(kind=kind, refresh="day"))
    found = SharedFinder(table(rows), kind, 2, 2).find(corpus.targets, corpus.queries)
    last = corpus.targets["target_id"][-1].as_py()
    return [tuple(row.values())[1:] for row in found.to_pylist() if row["target_id"] == last]  # type: ignore[misc]


def test_raters_are_weighted_by_the_likes_that_they_share_and_oppose() -> None:
    rows = [
        *(Row("near", item, 1, 1) for item in "ab"),
        Row("foe", "a", 0, 1),
        Row("near", "t", 1, 2),
        Row("foe", "t", 0, 3),
        *(Row("me", item, 1, 5) for item in "ab"),
        Row("me", "t", 1, 6),
    ]
    found = known(rows)[-1]
    assert (found["n_raters"], found["n_liked"], found["n_rated"], found["rating_sum"]) == (2, 1, 2, 6.0)
    assert (found["similar_for"], found["similar_against"]) == (pytest.approx(log(3)), 0)
    assert (found["opposed_for"], found["opposed_against"]) == (0, 1)


def test_own_likes_and_dislikes_are_those_before_the_row() -> None:
    rows = [
        Row("foe", "c", 0, 1),
        Row("foe", "t", 1, 1),
        Row("me", "a", 1, 2),
        Row("me", "c", 0, 3),
        Row("me", "b", 0, 4),
        Row("me", "t", 1, 4),
        Row("me", "z", 0, 5),
    ]
    found = known(rows)[5]
    assert (found["n_likes"], found["n_dislikes"], found["alike_likes"], found["alike_dislikes"]) == (1, 2, 1, 2)
    assert found["liked_lately"] == pytest.approx(1 / 3)
    assert found["alike"] == 0.5  # a has one of the two genres of t
    assert (found["agreeing_for"], found["agreeing_against"]) == (pytest.approx(log1p(1)), 0)
    assert known(rows, ties="strict")[5]["n_dislikes"] == 1  # b is of the same second
    blind = known(rows, own_dislikes=False)[5]
    assert [blind[name] for name in ("n_dislikes", "alike_dislikes", "liked_lately", "agreeing_for")] == [0] * 4
    assert blind["n_likes"] == 1


def test_who_is_not_known_may_say_what_they_did_not_like() -> None:
    asker = Asker("nobody", list("ab"), 9)
    said = {"nobody": own_of(asker.history, list("xt"))}
    own = OwnRatings(table([Row("me", "a", 1, 1)]), "file", said)
    assert [(one.item_id, one.is_liked) for one in own.before(asker, "t", None)] == [
        ("a", True),
        ("x", False),
        ("b", True),
    ]
    said.clear()
    assert [one.item_id for one in own.before(asker, "t", None)] == ["a", "b"]
    said["me"] = own_of("", "x")  # what is known of somebody counts, and not what a request says
    assert [one.item_id for one in own.before(Asker("me", (), 9), "t", None)] == ["a"]


def test_who_says_yes_more_often_than_others_is_lenient() -> None:
    others = [Row(f"u{n}", "a", 0, 1) for n in range(5)]
    rows = [*others, Row("me", "a", 1, 2), Row("me", "b", 1, 3), Row("me", "t", 1, 4)]
    # Of a 0 of 5 others and 5 of both minds: 0.25; of b nobody: 0.5.
    assert known(rows)[-1]["leniency"] == pytest.approx((0.75 + 0.5) / (2 + 5))


def test_a_target_without_anything_in_common_is_of_no_kind() -> None:
    rows = [Row("me", "a", 1, 2), Row("me", "z", 1, 3), Row("me", "x", 1, 4)]
    assert [row["alike"] for row in known(rows)] == [0, None, 0.5]


def test_ratings_that_are_not_known_are_not_counted() -> None:
    rows = [Row("one", "t", 1, 1), Row("two", "t", 1, 2), Row("me", "t", 1, 3)]
    ratings = pa.array([None, 5.0, 5.0], pa.float32())
    without = table(rows).set_column(table(rows).schema.get_field_index("rating"), "rating", ratings)
    corpus = build_corpus(table(rows), CorpusConfig())
    found = KnowledgeCounter(without, CATALOGUE, "train").count(corpus.targets, corpus.queries).to_pylist()[-1]
    assert (found["n_raters"], found["n_liked"], found["n_rated"], found["rating_sum"]) == (2, 2, 1, 5.0)


def test_a_year_is_told_beside_those_of_the_likes() -> None:
    rows = [Row("me", "a", 1, 2), Row("me", "c", 1, 3), Row("me", "z", 1, 4)]
    earlier, later = known([*rows[:2], Row("me", "b", 1, 4)])[-1]["gap"], known(rows)[-1]["gap"]
    assert earlier == pytest.approx(0)  # between both
    assert later > 1


def test_the_most_similar_raters_say_what_they_share() -> None:
    rows = [
        *(Row("near", item, 1, 1) for item in "ab"),
        *(Row("far", item, 1, 1) for item in "bcde"),
        Row("stranger", "t", 1, 1),
        Row("near", "t", 1, 2),
        Row("far", "t", 0, 3),
        *(Row("me", item, 1, 5) for item in "ab"),
        Row("me", "t", 1, 6),
    ]
    found = shared(rows)
    assert [(rank, liked, set(items)) for rank, liked, items in found] == [(1, True, {"a", "b"}), (2, False, {"b"})]
    assert shared([*rows[:-3], Row("me", "z", 1, 5), rows[-1]]) == []


@pytest.mark.parametrize("kind", ["train", "as-of"])
@few
@given(rows=worlds(), data=st.data())
def test_no_label_of_the_row_or_of_later_is_known(kind: str, rows: list[Row], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    own = rows[place]
    later = [n for n, row in enumerate(rows) if n > place and row.second >= own.second]
    if kind == "train" and own.split != "train":  # its evidence is the training part, also what is later there
        later = [n for n in later if rows[n].split != "train"]
    before = known(rows, kind)[place]
    assert known(flipped(rows, [place]), kind)[place] == before
    mine = [n for n in later if rows[n].user == own.user]
    assert known(flipped(rows, mine), kind)[place] == before
    # What EASE learned of others may be later in the training part, as the paper's corpus is.
    after = known(flipped(rows, later), kind)[place]
    assert {name: value for name, value in after.items() if name != "by_items"} == {
        name: value for name, value in before.items() if name != "by_items"
    }


@few
@given(rows=worlds(), data=st.data())
def test_what_items_say_never_knew_the_user(rows: list[Row], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    mine = [n for n, row in enumerate(rows) if row.user == rows[place].user and n >= place]
    assert known(flipped(rows, mine))[place]["by_items"] == known(rows)[place]["by_items"]


def test_the_story_counts_raters_as_verdicts_do() -> None:
    found = known(STORY)
    assert [(row["n_raters"], row["n_liked"]) for row in found[-2:]] == [(3, 2), (4, 3)]
