"""Ablations and controls by hand: four users, one of them asking."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from scorerec.core.tables import BEHAVIOURS, CANDIDATES, CONTEXTS, PROMPTS, QUERIES, TARGETS
from scorerec.pipeline import producers
from scorerec.pipeline.prompting import ranked
from scorerec.text.wording import DOMAINS

FOREVER = 2**62


def behaviours(valid_from: int = 0) -> pa.Table:
    """Ann, Bob, Cid and Dan; Dan's is only known from ``valid_from`` on."""
    liked = {"ann": ["a", "b"], "bob": ["a"], "cid": ["b", "c"], "dan": ["c"]}
    rows = [
        {
            "behaviour_id": f"{user}'s",
            "user_id": user,
            "valid_from": valid_from if user == "dan" else 0,
            "valid_to": FOREVER,
            "item_ids": items,
        }
        for user, items in liked.items()
    ]
    return BEHAVIOURS.check(pa.Table.from_pylist(rows, BEHAVIOURS.columns))


def queries() -> pa.Table:
    rows = [
        {"query_id": f"q-{user}", "user_id": user, "n_before": len(items), "snapshot": 100, "item_ids": items}
        for user, items in {"ann": ["a"], "bob": ["a"], "new": []}.items()
    ]
    return QUERIES.check(pa.Table.from_pylist(rows, QUERIES.columns))


def targets() -> pa.Table:
    asked = [("t0", "ann", "c", 1), ("t1", "ann", "c", 0), ("t2", "bob", "b", 1), ("t3", "new", "b", 0)]
    rows = [
        {
            "target_id": name,
            "query_id": f"q-{user}",
            "item_id": item,
            "row_id": row,
            "label": label,
            "split": "train" if row < 2 else "test",
        }
        for row, (name, user, item, label) in enumerate(asked)
    ]
    return TARGETS.check(pa.Table.from_pylist(rows, TARGETS.columns))


def candidates() -> pa.Table:
    found = {"q-ann": ["bob's", "cid's", "dan's"], "q-bob": ["dan's", "cid's"]}
    rows = [
        {"query_id": query, "rank": rank, "behaviour_id": name, "similarity": 1.0 - rank / 10}
        for query, names in found.items()
        for rank, name in enumerate(names, start=1)
    ]
    return CANDIDATES.check(pa.Table.from_pylist(rows, CANDIDATES.columns))


def test_without_a_reranker_the_most_similar_stay():
    assert ranked(producers.first_candidates(targets(), candidates(), 2), "target_id") == {
        "t0": ["bob's", "cid's"],
        "t1": ["bob's", "cid's"],
        "t2": ["dan's", "cid's"],
    }


def test_the_oracle_agrees_with_the_label():
    """Cid and Dan like c, Bob does not: c was liked in t0 and disliked in t1."""
    assert ranked(producers.oracle_contexts(targets(), candidates(), behaviours(), 2), "target_id") == {
        "t0": ["cid's", "dan's"],
        "t1": ["bob's", "cid's"],
        "t2": ["cid's", "dan's"],
    }


def test_random_users_are_others_and_the_seed_decides_who():
    drawn = [producers.random_contexts(targets(), queries(), behaviours(), 2, seed) for seed in (0, 0, 1, 2, 3)]
    assert drawn[0].equals(drawn[1])
    assert len({str(ranked(table, "target_id")) for table in drawn}) > 1
    for table in drawn:
        found = ranked(table, "target_id")
        assert set(found) == {"t0", "t1", "t2"}  # nobody is shown to one without history
        assert all(len(set(names)) == 2 for names in found.values())
        assert "ann's" not in [*found["t0"], *found["t1"]]
        assert "bob's" not in found["t2"]


@pytest.mark.parametrize("make", ["random", "shuffled"])
def test_what_a_snapshot_hides_is_not_shown(make):
    known = behaviours(valid_from=101)
    for seed in range(5):
        if make == "random":
            table = producers.random_contexts(targets(), queries(), known, 2, seed)
        else:
            given = producers.first_candidates(targets(), candidates(), 3)
            table = producers.shuffled_contexts(targets(), queries(), known, given, seed)
        assert "dan's" not in table["behaviour_id"].to_pylist()


def test_what_will_be_known_later_does_not_move_the_draw():
    """With it, a label of a test row would decide what training rows are shown."""
    hidden = behaviours(valid_from=101)
    without = hidden.filter(pc.not_equal(hidden["user_id"], "dan"))
    for seed in range(5):
        drawn = [producers.random_contexts(targets(), queries(), known, 1, seed) for known in (hidden, without)]
        assert drawn[0].equals(drawn[1])
        assert drawn[0].num_rows == 3


def test_shuffled_evidence_is_that_of_another_row_of_the_split():
    """t0 and t1 exchange theirs; of t2 and t3 one has none to give and the other may see none."""
    given = CONTEXTS.check(
        pa.Table.from_pylist(
            [
                {"target_id": "t0", "rank": 1, "behaviour_id": "bob's", "score": 0.0},
                {"target_id": "t1", "rank": 1, "behaviour_id": "cid's", "score": 0.0},
                {"target_id": "t2", "rank": 1, "behaviour_id": "dan's", "score": 0.0},
            ],
            CONTEXTS.columns,
        )
    )
    shuffled = producers.shuffled_contexts(targets(), queries(), behaviours(), given, seed=0)
    assert ranked(shuffled, "target_id") == {"t0": ["cid's"], "t1": ["bob's"]}


def test_emptied_evidence_keeps_its_length():
    segments = [
        {"kind": "wording", "text": "liked [", "item_id": None, "behaviour_id": None},
        {"kind": "history", "text": "Alien", "item_id": "a", "behaviour_id": None},
        {"kind": "evidence", "text": "Brazil", "item_id": "b", "behaviour_id": "bob's"},
        {"kind": "target", "text": "Casablanca", "item_id": "c", "behaviour_id": None},
    ]
    row = {"target_id": "t0", "segments": segments, "dropped_history": 0, "dropped_evidence": 0}
    prompts = PROMPTS.check(pa.Table.from_pylist([row, {**row, "target_id": "t1"}], PROMPTS.columns))
    for emptied in producers.without_content(prompts.slice(1), DOMAINS["movie"]).to_pylist():
        assert [part["text"] for part in emptied["segments"]] == ["liked [", "Alien", "movie", "Casablanca"]
        assert emptied["target_id"] == "t1"
