"""No peeking: a row's own label, and what happens at or after the row, never reach what it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorerec.data.corpus import Corpus, CorpusConfig, build_corpus
from scorerec.pipeline.chain import Chain, Evidence

TRAIN = CorpusConfig()
AS_OF = [CorpusConfig(kind="as-of", refresh=refresh) for refresh in ("day", "week", "month")]
N_ROWS = 12 * (8 + 2 * 6)
FIRST_LATE_ROW = 12 * (8 + 6)  # of the validation part: rows are numbered in order of time

some_row = st.integers(0, N_ROWS - 1)
few = settings(max_examples=12, deadline=None)


ShownTo = Callable[[CorpusConfig, int, int | None], Evidence]


@pytest.fixture(scope="module")
def shown_to(world: Any) -> ShownTo:
    """Return what one row is shown, with the label of the row at position ``flipped`` turned round."""

    @lru_cache(maxsize=8)
    def parts(config: CorpusConfig, flipped: int | None) -> tuple[Corpus, Chain]:
        corpus = build_corpus(world.prepared(flipped).interactions, config)
        return corpus, world.chain(corpus)

    def shown(config: CorpusConfig, row_id: int, flipped: int | None) -> Evidence:
        corpus, chain = parts(config, flipped)
        target = corpus.targets.slice(row_id, 1)
        query = corpus.queries.filter(pc.equal(corpus.queries["query_id"], target["query_id"][0]))
        return chain.evidence(target, query)

    return shown


def label_and_place(world: Any, row_id: int, flipped: int | None = None) -> tuple[int, int]:
    """Return the label of a row, and its position among the ratings."""
    row = world.prepared(flipped).interactions.slice(row_id, 1).to_pylist()[0]
    same = (world.ratings["user_id"] == row["user_id"]) & (world.ratings["item_id"] == row["item_id"])
    return row["label"], world.ratings.filter(same)["position"].item()


@pytest.mark.parametrize("config", [TRAIN, AS_OF[1]], ids=lambda config: config.kind)
@few
@given(row_id=some_row)
def test_the_rows_own_label_changes_nothing_that_it_is_shown(
    world: Any, shown_to: ShownTo, config: CorpusConfig, row_id: int
) -> None:
    label, position = label_and_place(world, row_id)
    assert label_and_place(world, row_id, flipped=position) == (1 - label, position)
    assert_same(shown_to(config, row_id, None), shown_to(config, row_id, position))


@few
@given(row_id=st.integers(FIRST_LATE_ROW, N_ROWS - 1), later=st.integers(0, N_ROWS - 1))
def test_later_labels_of_anybody_change_no_judged_row_of_the_train_corpus(
    world: Any, shown_to: ShownTo, row_id: int, later: int
) -> None:
    """A validation or test row sees training behaviours and its own user's past: nothing at or after itself."""
    _, position = label_and_place(world, max(row_id, later))
    assert_same(shown_to(TRAIN, row_id, None), shown_to(TRAIN, row_id, position))


@pytest.mark.parametrize("config", AS_OF, ids=lambda config: config.refresh)
@few
@given(row_id=some_row, later=some_row)
def test_later_labels_of_anybody_change_no_row_of_an_as_of_corpus(
    world: Any, shown_to: ShownTo, config: CorpusConfig, row_id: int, later: int
) -> None:
    _, position = label_and_place(world, max(row_id, later))
    assert_same(shown_to(config, row_id, None), shown_to(config, row_id, position))


def assert_same(one: Evidence, other: Evidence) -> None:
    for name, table in one._asdict().items():
        # Until when a behaviour is the newest depends on what comes next; no prompt shows it.
        shown = [column for column in table.column_names if column != "valid_to"]
        assert table.select(shown).equals(getattr(other, name).select(shown)), name


class Shown(NamedTuple):
    """One title in a prompt: the row that asks, and the row in which its user liked it."""

    kind: str
    asking: dict[str, Any]
    liked: dict[str, Any]


def titles_shown(interactions: pa.Table, corpus: Corpus, chain: Chain) -> Iterator[Shown]:
    """Yield every history and evidence title of every prompt; in this world a user rates an item once."""
    rows = interactions.to_pylist()
    row_of = {(row["user_id"], row["item_id"]): row for row in rows}
    owners = {row["behaviour_id"]: row["user_id"] for row in corpus.behaviours.to_pylist()}
    with chain.index:
        prompts = chain.evidence(corpus.targets, corpus.queries).prompts.to_pylist()
    for asking, prompt in zip(rows, prompts, strict=True):
        for part in prompt["segments"]:
            if part["kind"] == "history":
                yield Shown("history", asking, row_of[asking["user_id"], part["item_id"]])
            elif part["kind"] == "evidence":
                yield Shown("evidence", asking, row_of[owners[part["behaviour_id"]], part["item_id"]])


@pytest.fixture(params=["file", "strict"])
def ties(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", ["world", "crowded"])
@pytest.mark.parametrize("config", AS_OF, ids=lambda config: config.refresh)
def test_no_as_of_prompt_shows_what_happened_at_or_after_its_row(
    request: pytest.FixtureRequest, config: CorpusConfig, name: str, ties: str
) -> None:
    world = request.getfixturevalue(name)
    interactions = world.prepared(ties=ties).interactions
    corpus = build_corpus(interactions, config)
    n_evidence = 0
    for kind, asking, liked in titles_shown(interactions, corpus, world.chain(corpus)):
        assert liked["label"] == 1
        if kind == "evidence":
            assert liked["user_id"] != asking["user_id"]
            assert liked["timestamp"] < asking["timestamp"]
            n_evidence += 1
        else:
            assert liked["row_id"] < asking["row_id"]
            assert ties == "file" or liked["timestamp"] < asking["timestamp"]
    assert n_evidence > 1000


def test_the_train_corpus_shows_judged_rows_training_behaviours_alone(world: Any) -> None:
    interactions = world.prepared().interactions
    corpus = build_corpus(interactions, TRAIN)
    later = set()
    for kind, asking, liked in titles_shown(interactions, corpus, world.chain(corpus)):
        assert liked["label"] == 1
        if kind == "evidence":
            assert liked["split"] == "train"
            later |= {asking["split"]} if liked["row_id"] > asking["row_id"] else set()
        else:
            assert liked["row_id"] < asking["row_id"]
    # As in the paper, training rows see other users' later behaviours; so this test would notice such titles.
    assert later == {"train"}


def test_a_first_row_has_nothing_to_show(world: Any, chain_over: Callable[[str], Chain]) -> None:
    corpus = build_corpus(world.prepared().interactions, TRAIN)
    first = corpus.targets.slice(0, 1)
    evidence = chain_over("train").evidence(first, corpus.queries)
    kinds = {part["kind"] for part in evidence.prompts["segments"][0].as_py()}
    assert kinds == {"wording", "target"}
