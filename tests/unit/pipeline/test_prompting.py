"""Tables become prompts: the right titles, the right order, and an account of what is left out."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.core.errors import ConfigError, DataError
from scorerec.core.tables import BEHAVIOURS, CONTEXTS, ITEMS, PROMPTS, QUERIES, TARGETS
from scorerec.experiment.config import load_experiment
from scorerec.pipeline.forms.titles import Titles
from scorerec.pipeline.prompting import PromptConfig, Prompter, Reader, ranked
from scorerec.text import prompts
from scorerec.text.segments import Segment, from_rows, render
from scorerec.text.wording import DOMAINS, DomainWords

NAMES = {"a": "Alien (1979)", "b": "Big (1988)", "c": "Clue (1985)", "d": "It's a Gift (1934)", "e": "Evita"}
CATALOGUE = pa.table({"item_id": list(NAMES), "title": list(NAMES.values())}, ITEMS.columns)
BEHAVIOUR_ITEMS = {"ann": ["a", "c", "d"], "bob": ["b"], "cat": ["e", "d"]}


def queries_of(**histories: list[str]) -> pa.Table:
    rows = [
        {"query_id": name, "user_id": name, "n_before": len(items), "snapshot": 0, "item_ids": items}
        for name, items in histories.items()
    ]
    return pa.Table.from_pylist(rows, QUERIES.columns)


def targets_of(*asked: tuple[str, str, str]) -> pa.Table:
    rows = [{"target_id": name, "query_id": query, "item_id": item} for name, query, item in asked]
    return pa.Table.from_pylist(rows, TARGETS.columns)


def contexts_of(*chosen: tuple[str, int, str]) -> pa.Table:
    rows = [{"target_id": name, "rank": rank, "behaviour_id": who, "score": 0.5} for name, rank, who in chosen]
    return pa.Table.from_pylist(rows, CONTEXTS.columns)


def prompter(**settings: Any) -> Prompter:
    return Prompter(CATALOGUE, PromptConfig(**settings))


def segments_in(table: pa.Table) -> dict[str, list[Segment]]:
    checked = PROMPTS.check(table)
    return {row["target_id"]: from_rows(row["segments"]) for row in checked.to_pylist()}


def dropped(table: pa.Table) -> list[tuple[int, int]]:
    columns = (table[name].to_pylist() for name in ("dropped_history", "dropped_evidence"))
    return list(zip(*columns, strict=True))


QUERY = queries_of(u=["a", "b", "c"], w=[])
ASKED = targets_of(("t2", "u", "e"), ("t1", "w", "d"), ("t3", "u", "d"))


def test_basic_prompts_are_those_of_the_text_room() -> None:
    writer = prompter()
    table = writer.basic(ASKED, QUERY)
    wanted = {
        name: prompts.basic(history, item, writer.describer, DOMAINS["movie"])
        for name, history, item in (("t2", "abc", "e"), ("t1", "", "d"), ("t3", "abc", "d"))
    }
    assert segments_in(table) == wanted
    assert table["target_id"].to_pylist() == ["t2", "t1", "t3"]
    assert dropped(table) == [(0, 0)] * 3


def test_augmented_prompts_are_those_of_the_text_room() -> None:
    writer = prompter()
    contexts = contexts_of(("t2", 2, "ann"), ("t2", 1, "cat"), ("t3", 1, "bob"))
    table = writer.with_evidence(ASKED, QUERY, [Titles(writer, contexts, BEHAVIOUR_ITEMS)])
    evidence = {"t2": [("cat", "ed"), ("ann", "acd")], "t1": [], "t3": [("bob", "b")]}
    wanted = {
        name: prompts.augmented(history, evidence[name], item, writer.describer, writer.words)
        for name, history, item in (("t2", "abc", "e"), ("t1", "", "d"), ("t3", "abc", "d"))
    }
    assert segments_in(table) == wanted


def test_augmented_without_contexts_is_basic() -> None:
    writer = prompter()
    augmented = writer.with_evidence(ASKED, QUERY, [Titles(writer, CONTEXTS.empty(), BEHAVIOUR_ITEMS)])
    assert augmented.equals(writer.basic(ASKED, QUERY))


def test_self_assessing_prompts_are_those_of_the_text_room() -> None:
    writer = prompter(history_titles=2)
    assert writer.self_assessing(ASKED, QUERY) == [
        (name, prompts.self_assessing(history, item, writer.describer, writer.words))
        for name, history, item in (("t2", "bc", "e"), ("t1", "", "d"), ("t3", "bc", "d"))
    ]


def test_no_targets_make_an_empty_table() -> None:
    table = prompter().with_evidence(TARGETS.empty(), QUERY, [Titles(prompter(), CONTEXTS.empty(), {})])
    assert (table.num_rows, table.schema) == (0, PROMPTS.columns)


def test_the_latest_titles_are_kept_and_the_others_counted() -> None:
    writer = prompter(history_titles=2, evidence_titles=1)
    contexts = contexts_of(("t2", 1, "ann"), ("t2", 2, "cat"))
    table = writer.with_evidence(ASKED, QUERY, [Titles(writer, contexts, BEHAVIOUR_ITEMS)])
    shown = segments_in(table)["t2"]
    assert [part.item_id for part in shown if part.kind == "history"] == ["b", "c"]
    evidence = [(part.behaviour_id, part.item_id) for part in shown if part.kind == "evidence"]
    assert evidence == [("ann", "d"), ("cat", "d")]
    assert dropped(table) == [(1, 3), (0, 0), (1, 0)]


def test_titles_up_to_the_target_where_a_similar_user_liked_it_and_the_latest_otherwise() -> None:
    writer = prompter(evidence_titles=2, evidence_window="target")
    contexts = contexts_of(("t", 1, "dan"), ("t", 2, "cat"))
    behaviours = {"dan": ["a", "c", "b", "e", "d"], "cat": ["a", "e", "d"]}
    titles = Titles(writer, contexts, behaviours)
    shown = segments_in(writer.with_evidence(targets_of(("t", "u", "b")), QUERY, [titles]))["t"]
    evidence = [(part.behaviour_id, part.item_id) for part in shown if part.kind == "evidence"]
    assert evidence == [("dan", "c"), ("dan", "b"), ("cat", "e"), ("cat", "d")]


def test_a_similar_users_mention_of_the_target_can_be_marked() -> None:
    writer = prompter(evidence_titles=2, evidence_window="marked")
    titles = Titles(writer, contexts_of(("t", 1, "dan"), ("t", 2, "cat")), {"dan": ["a", "b", "d"], "cat": ["a", "e"]})
    shown = segments_in(writer.with_evidence(targets_of(("t", "u", "b")), QUERY, [titles]))["t"]
    marked = [part.item_id for part in shown if part.text.endswith("(the movie in question)")]
    assert marked == ["b"]
    assert [part.item_id for part in shown if part.kind == "evidence"] == ["a", "b", "a", "e"]


@given(
    history=st.lists(st.sampled_from("abcde"), max_size=8),
    behaviours=st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), max_size=4),
    most_history=st.integers(0, 9),
    most_evidence=st.integers(1, 7),
)
def test_shown_and_dropped_add_up(
    history: list[str], behaviours: list[list[str]], most_history: int, most_evidence: int
) -> None:
    lists = {f"user{place}": items for place, items in enumerate(behaviours)}
    contexts = contexts_of(*(("t", rank, name) for rank, name in enumerate(lists, start=1)))
    writer = prompter(history_titles=most_history, evidence_titles=most_evidence)
    titles = Titles(writer, contexts, lists)
    table = writer.with_evidence(targets_of(("t", "u", "a")), queries_of(u=history), [titles])
    shown = segments_in(table)["t"]
    titles = [part.item_id for part in shown if part.kind == "history"]
    assert titles == history[max(0, len(history) - most_history) :]
    assert len(titles) + dropped(table)[0][0] == len(history)
    for name, items in lists.items():
        found = [part.item_id for part in shown if part.kind == "evidence" and part.behaviour_id == name]
        assert found == items[-most_evidence:]
    n_shown = sum(part.kind == "evidence" for part in shown)
    assert n_shown + dropped(table)[0][1] == sum(map(len, behaviours))


def test_a_target_without_its_query_is_named() -> None:
    lost = targets_of(("t9", "nobody", "a"))
    with pytest.raises(DataError, match="target t9: its query 'nobody'"):
        prompter().basic(lost, QUERY)


def test_an_item_without_a_description_is_named() -> None:
    with pytest.raises(DataError, match="item 'z' is not among the 5 items"):
        prompter().basic(targets_of(("t", "u", "z")), QUERY)


def test_evidence_stands_in_order_of_rank() -> None:
    contexts = contexts_of(("t1", 3, "cat"), ("t1", 1, "bob"), ("t0", 1, "cat"), ("t1", 2, "ann"))
    assert ranked(contexts, "target_id") == {"t0": ["cat"], "t1": ["bob", "ann", "cat"]}
    writer = prompter()
    text = render(segments_in(writer.with_evidence(ASKED, QUERY, [Titles(writer, contexts, BEHAVIOUR_ITEMS)]))["t1"])
    places = [text.index(writer.describer.behaviour(BEHAVIOUR_ITEMS[name])) for name in ("bob", "ann", "cat")]
    assert places == sorted(places)


def test_ranks_beyond_nine_are_numbers() -> None:
    contexts = contexts_of(*(("t", rank, f"u{rank}") for rank in range(12, 0, -1)))
    assert ranked(contexts, "target_id")["t"] == [f"u{rank}" for rank in range(1, 13)]


def behaviours_of(**lists: list[str]) -> pa.Table:
    rows = [
        {"behaviour_id": name, "user_id": name, "valid_from": 0, "valid_to": 1, "item_ids": items}
        for name, items in lists.items()
    ]
    return pa.Table.from_pylist(rows, BEHAVIOURS.columns)


def test_behaviours_are_written_with_their_latest_titles() -> None:
    writer = prompter(behaviour_titles=2)
    texts = writer.behaviour_texts(behaviours_of(**BEHAVIOUR_ITEMS), "behaviour_id")
    assert texts == {
        "ann": "['Clue (1985)', \"It's a Gift (1934)\"]",
        "bob": "['Big (1988)']",
        "cat": "['Evita', \"It's a Gift (1934)\"]",
    }
    assert writer.behaviour_texts(QUERY, "query_id")["w"] == "[]"


def test_a_reader_with_a_limit_loses_the_oldest_titles() -> None:
    table, writer = behaviours_of(**BEHAVIOUR_ITEMS), prompter()
    whole = writer.behaviour_texts(table, "behaviour_id", Reader(None, len))
    assert whole == writer.behaviour_texts(table, "behaviour_id")
    fitted = writer.behaviour_texts(table, "behaviour_id", Reader(40, len))
    assert fitted["ann"] == "['Clue (1985)', \"It's a Gift (1934)\"]"  # 39 characters
    assert fitted["bob"] == whole["bob"]


def test_a_domain_is_known_or_ones_own() -> None:
    own = DomainWords(singular="recipe", plural="recipes", consumed="cooked")
    text = render(segments_in(prompter(domain=own).basic(ASKED, QUERY))["t2"])
    assert "following recipes" in text
    with pytest.raises(ConfigError, match=r"prompt\.domain: .*wanted one of movie, game.*got 'opera'"):
        load_experiment("ml-1m", ["prompt.domain=opera"])  # before anything is computed
