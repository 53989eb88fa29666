"""Who can be seen by whom, by hand and for any small world."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorerec.core.errors import DataError
from scorerec.core.tables import INTERACTIONS
from scorerec.data.corpus import Corpus, CorpusConfig, build_corpus, training_behaviours
from scorerec.data.prepare import DataConfig, prepare, prepare_raw
from scorerec.data.raw import RawTables

DAY = 86_400
MONDAY = 4 * DAY  # 1970-01-05 00:00:00 UTC
AS_OF = [CorpusConfig(kind="as-of", refresh=refresh) for refresh in ("day", "week", "month")]
ALL = [CorpusConfig(), *AS_OF]


def interactions(rows: list[tuple[str, str, int, int]], ties: str = "file") -> pa.Table:
    """Prepare rows of (user, item, label, timestamp): the first half trains."""
    names = {"user_id": pl.String, "item_id": pl.String, "label": pl.Int8, "timestamp": pl.Int64}
    ratings = pl.DataFrame(rows, schema=names, orient="row").with_columns(rating=pl.lit(None, dtype=pl.Float32))
    catalogue = sorted({item for _, item, _, _ in rows})
    config = {
        "source": "synthetic",
        "label": {"kind": "given"},
        "split": {"by": "time-fractions", "train": 0.5, "valid": 0.25},
        "ties": ties,
        "repeats": "keep",
    }
    raw = RawTables(ratings.with_row_index("position"), pl.DataFrame({"item_id": catalogue, "title": catalogue}))
    return prepare_raw(raw, DataConfig.model_validate(config)).interactions


ROWS = [
    ("u", "a", 1, 1 * DAY),
    ("w", "a", 0, 1 * DAY + 5),
    ("w", "b", 1, 2 * DAY),
    ("u", "c", 1, 2 * DAY + 7),
    # valid
    ("u", "d", 0, 3 * DAY),
    ("u", "b", 1, 3 * DAY + 1),
    # test
    ("w", "c", 1, 5 * DAY),
    ("u", "e", 1, 6 * DAY),
]


def query_of(corpus: Corpus, row_id: int) -> dict[str, Any]:
    """Return the query of one row."""
    target = corpus.targets.to_pylist()[row_id]
    assert target["target_id"] == f"row-{row_id}"
    return next(row for row in corpus.queries.to_pylist() if row["query_id"] == target["query_id"])


def visible(corpus: Corpus, query: dict[str, Any]) -> dict[str, list[str]]:
    """Return the behaviours that a query may retrieve, its own user's included."""
    return {
        row["user_id"]: row["item_ids"]
        for row in corpus.behaviours.to_pylist()
        if row["valid_from"] <= query["snapshot"] < row["valid_to"]
    }


def test_training_behaviours_hold_the_training_positives() -> None:
    corpus = build_corpus(interactions(ROWS), CorpusConfig())
    rows = [(row["behaviour_id"], row["user_id"], row["item_ids"]) for row in corpus.behaviours.to_pylist()]
    assert rows == [("u", "u", ["a", "c"]), ("w", "w", ["b"])]
    assert corpus.behaviours.equals(training_behaviours(interactions(ROWS)))
    assert visible(corpus, query_of(corpus, 0)) == {"u": ["a", "c"], "w": ["b"]}


def test_a_query_is_the_users_own_prefix_across_parts() -> None:
    corpus = build_corpus(interactions(ROWS), CorpusConfig())
    histories = [query_of(corpus, row)["item_ids"] for row in range(8)]
    assert histories == [[], [], [], ["a"], ["a", "c"], ["a", "c"], ["b"], ["a", "c", "b"]]
    assert query_of(corpus, 4)["query_id"] == query_of(corpus, 5)["query_id"] == "u:2"


def test_every_row_is_a_target() -> None:
    table = interactions(ROWS)
    targets = build_corpus(table, CorpusConfig()).targets
    for name in ("row_id", "item_id", "label", "split"):
        assert targets[name].to_pylist() == table[name].to_pylist()


def test_a_snapshot_holds_what_is_earlier_and_serves_what_is_later() -> None:
    corpus = build_corpus(interactions(ROWS), AS_OF[0])
    # Row 2 stands at the snapshot of day 2 exactly: it reads the one of day 1, which is empty.
    assert query_of(corpus, 2)["query_id"] == f"w:0:{DAY}"
    assert visible(corpus, query_of(corpus, 2)) == {}
    # Row 3 reads day 2, which holds u's a of day 1; w's b, at its very second, comes with day 3.
    assert query_of(corpus, 3)["query_id"] == f"u:1:{2 * DAY}"
    assert visible(corpus, query_of(corpus, 3)) == {"u": ["a"]}
    assert visible(corpus, query_of(corpus, 5)) == {"u": ["a", "c"], "w": ["b"]}
    assert visible(corpus, query_of(corpus, 7)) == {"u": ["a", "c", "b"], "w": ["b"]}


def test_a_behaviour_lasts_until_its_user_likes_something_more() -> None:
    behaviours = build_corpus(interactions(ROWS), AS_OF[0]).behaviours.to_pylist()
    spans = [(row["behaviour_id"], row["valid_from"] // DAY, row["valid_to"] // DAY) for row in behaviours]
    last = (2**63 - 1) // DAY
    assert spans == [
        (f"u:{2 * DAY}", 2, 3),
        (f"u:{3 * DAY}", 3, 4),
        (f"u:{4 * DAY}", 4, 7),
        (f"u:{7 * DAY}", 7, last),
        (f"w:{3 * DAY}", 3, 6),
        (f"w:{6 * DAY}", 6, last),
    ]


@pytest.mark.parametrize(
    ("config", "day"), [(AS_OF[0], "1970-02-11"), (AS_OF[1], "1970-02-09"), (AS_OF[2], "1970-02-01")]
)
def test_snapshots_start_days_weeks_and_months(config: CorpusConfig, day: str) -> None:
    late = 41 * DAY + 3600  # Wednesday 1970-02-11 01:00 UTC
    corpus = build_corpus(interactions([*ROWS, ("u", "f", 1, late)]), config)
    start = datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC)
    assert query_of(corpus, 8)["snapshot"] == start.timestamp()


def test_a_user_without_training_positives_has_an_empty_query_and_no_behaviour() -> None:
    corpus = build_corpus(interactions([*ROWS, ("x", "a", 0, 9 * DAY)]), CorpusConfig())
    assert query_of(corpus, 8)["item_ids"] == []
    assert "x" not in corpus.behaviours["user_id"].to_pylist()


WORLD = st.lists(
    st.tuples(
        st.sampled_from("uvw"),
        st.sampled_from("abcde"),
        st.integers(0, 1),
        st.integers(0, 40).map(lambda d: d * 43_200),
    ),
    min_size=8,
    max_size=24,
).filter(lambda rows: len({row[3] for row in rows}) > 6)


def prepared_or_none(rows: list[tuple[str, str, int, int]], ties: str) -> pa.Table | None:
    try:
        return interactions(rows, ties)
    except DataError:  # one second holds too much of the data for a part
        return None


@settings(deadline=None, max_examples=40)
@given(rows=WORLD, ties=st.sampled_from(["file", "strict"]), config=st.sampled_from(ALL))
def test_no_query_holds_anything_at_or_after_its_row(
    rows: list[tuple[str, str, int, int]], ties: str, config: CorpusConfig
) -> None:
    table = prepared_or_none(rows, ties)
    if table is None:
        return
    corpus = build_corpus(table, config)
    queries = {row["query_id"]: row for row in corpus.queries.to_pylist()}
    ordered = table.to_pylist()
    for row, target in zip(ordered, corpus.targets.to_pylist(), strict=True):
        earlier = [
            other["item_id"]
            for other in ordered
            if other["user_id"] == row["user_id"]
            and other["label"] == 1
            and (other["row_id"] if ties == "file" else other["timestamp"])
            < (row["row_id"] if ties == "file" else row["timestamp"])
        ]
        query = queries[target["query_id"]]
        assert query["item_ids"] == earlier
        assert (query["user_id"], query["n_before"]) == (row["user_id"], len(earlier))


@settings(deadline=None, max_examples=40)
@given(rows=WORLD, ties=st.sampled_from(["file", "strict"]), config=st.sampled_from(ALL), data=st.data())
def test_flipping_a_label_leaves_the_rows_own_query_unchanged(
    rows: list[tuple[str, str, int, int]], ties: str, config: CorpusConfig, data: st.DataObject
) -> None:
    table = prepared_or_none(rows, ties)
    if table is None:
        return
    position = data.draw(st.integers(0, len(rows) - 1))
    user, item, label, timestamp = rows[position]
    flipped = [*rows[:position], (user, item, 1 - label, timestamp), *rows[position + 1 :]]
    order = sorted(range(len(rows)), key=lambda index: (rows[index][3], index))
    row_id = order.index(position)
    after = prepared_or_none(flipped, ties)
    assert after is not None
    before_corpus, after_corpus = build_corpus(table, config), build_corpus(after, config)
    assert query_of(before_corpus, row_id) == query_of(after_corpus, row_id)
    if config.kind == "as-of":
        query = query_of(before_corpus, row_id)
        assert visible(before_corpus, query) == visible(after_corpus, query)


@settings(deadline=None, max_examples=40)
@given(rows=WORLD, config=st.sampled_from(AS_OF))
def test_as_of_shows_each_user_as_they_were_at_the_snapshot_and_never_later(
    rows: list[tuple[str, str, int, int]], config: CorpusConfig
) -> None:
    table = prepared_or_none(rows, "file")
    if table is None:
        return
    corpus = build_corpus(table, config)
    ordered = table.to_pylist()
    for row in ordered:
        query = query_of(corpus, row["row_id"])
        assert query["snapshot"] < row["timestamp"]
        expected: dict[str, list[str]] = {}
        for other in ordered:
            if other["label"] == 1 and other["timestamp"] < query["snapshot"]:
                expected.setdefault(other["user_id"], []).append(other["item_id"])
        assert visible(corpus, query) == expected


def test_the_rows_of_the_table_may_come_in_any_order() -> None:
    table = interactions(ROWS)
    shuffled = INTERACTIONS.check(table.take([3, 1, 0, 2, 7, 6, 5, 4]))
    assert build_corpus(shuffled, AS_OF[0]) == build_corpus(table, AS_OF[0])


def test_limits_draw_targets_and_leave_the_rest_alone():
    interactions = prepare(DataConfig.model_validate({"source": "synthetic"})).interactions
    whole = build_corpus(interactions, CorpusConfig())
    limited = build_corpus(interactions, CorpusConfig(max_train_targets=50, max_valid_targets=20))
    splits = limited.targets["split"].to_pylist()
    assert (splits.count("train"), splits.count("valid")) == (50, 20)
    assert splits.count("test") == whole.targets["split"].to_pylist().count("test")
    assert set(limited.targets["target_id"].to_pylist()) <= set(whole.targets["target_id"].to_pylist())
    assert limited.behaviours.equals(whole.behaviours)
    assert set(limited.queries["query_id"].to_pylist()) == set(limited.targets["query_id"].to_pylist())


def test_rows_are_drawn_in_runs_of_a_users_rows_that_follow_each_other() -> None:
    interactions = prepare(DataConfig.model_validate({"source": "synthetic"})).interactions
    whole, alone, runs = (
        build_corpus(interactions, CorpusConfig(max_train_targets=limit, draw_together=together))
        for limit, together in ((None, 1), (60, 1), (60, 4))
    )

    def of_training(corpus: Any) -> list[tuple[str, str]]:
        rows = corpus.targets.to_pylist()
        return [(row["query_id"].split(":")[0], row["target_id"]) for row in rows if row["split"] == "train"]

    lengths: Counter[str] = Counter()
    places = {}
    for user, name in of_training(whole):
        places[name] = lengths[user]
        lengths[user] += 1
    found = Counter((user, places[name] // 4) for user, name in of_training(runs))
    assert found.total() == len(of_training(alone)) == 60
    complete = [size == min(4, lengths[user] - 4 * run) for (user, run), size in found.items()]
    assert complete.count(False) <= 1  # the last one, cut
    assert len(found) < 20 < len(set(of_training(alone)))


def test_test_rows_of_some_users_are_all_their_test_rows() -> None:
    interactions = prepare(DataConfig.model_validate({"source": "synthetic"})).interactions
    whole, limited = (build_corpus(interactions, CorpusConfig(max_test_users=users)) for users in (None, 5))
    rows = [
        [(row["query_id"].split(":")[0], row["split"], row["target_id"]) for row in corpus.targets.to_pylist()]
        for corpus in (whole, limited)
    ]
    users = {user for user, split, _ in rows[1] if split == "test"}
    assert len(users) == 5
    assert rows[1] == [row for row in rows[0] if row[1] != "test" or row[0] in users]


def test_a_visit_is_known_by_what_was_liked_before_it() -> None:
    seconds = [0, 1000, 2800, 4601, 4602]  # pauses of 1000, 1800 and 1801 seconds
    rows = [("u", item, 1, second) for item, second in zip("abcde", seconds, strict=True)]
    rows += [("w", "a", 1, 3000)]
    asked = interactions(sorted(rows, key=lambda row: row[3]))
    visits = build_corpus(asked, CorpusConfig(history="visit"))
    assert [query_of(visits, row)["item_ids"] for row in range(6)] == [[], [], [], [], ["a", "b", "c"], ["a", "b", "c"]]
    shorter = build_corpus(asked, CorpusConfig(history="visit", visit_pause=1799))
    assert query_of(shorter, 2)["item_ids"] == ["a", "b"]
    assert visits.queries.num_rows == 3  # u's two visits, and w's


def test_rows_without_a_history_are_counted_by_part() -> None:
    rows = build_corpus(interactions(ROWS), CorpusConfig())
    assert rows.without_history == {"test": 0.0, "train": 0.75, "valid": 0.0}  # u's first, and two of w, who likes late
    visits = build_corpus(interactions(ROWS), CorpusConfig(history="visit", visit_pause=2 * DAY))
    assert visits.without_history == {"test": 0.0, "train": 1.0, "valid": 1.0}  # of one sitting


some_row = st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef"), st.integers(0, 1), st.integers(0, 40))


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(some_row, min_size=4, max_size=30),
    config=st.sampled_from(ALL),
    pause=st.integers(1, 5),
    ties=st.sampled_from(["file", "strict"]),
)
def test_a_visits_history_is_a_prefix_of_each_of_its_rows(
    rows: list[tuple[str, str, int, int]], config: CorpusConfig, pause: int, ties: str
) -> None:
    rows = [*sorted(rows, key=lambda row: row[3])]
    rows += [("u", "a", n % 2, 41 + n) for n in range(2 * len(rows) + 4)]  # both labels in every part
    asked = interactions([(*row[:3], (row[3] + 2) * DAY) for row in rows], ties)
    by_row = build_corpus(asked, config)
    by_visit = build_corpus(asked, config.model_copy(update={"history": "visit", "visit_pause": pause * DAY}))
    assert by_visit.behaviours.equals(by_row.behaviours)
    last: dict[str, tuple[int, list[str]]] = {}
    for place, row in enumerate(asked.to_pylist()):
        own, visit = query_of(by_row, place)["item_ids"], query_of(by_visit, place)["item_ids"]
        assert own[: len(visit)] == visit
        second, before = last.get(row["user_id"], (-(10**9), own))
        begins = row["timestamp"] - second > pause * DAY
        assert visit == (own if begins else before)
        last[row["user_id"]] = (row["timestamp"], visit)
