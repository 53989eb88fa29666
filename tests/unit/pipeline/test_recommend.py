"""Recommendations for anybody: who is asked about, what is proposed, and the evidence that comes with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import PROMPTS
from scorerec.crm.base import ConventionalRecommender
from scorerec.crm.config import CRMConfig
from scorerec.crm.train import fit_crm
from scorerec.data.corpus import Corpus
from scorerec.pipeline.chain import Chain
from scorerec.pipeline.prompting import ranked
from scorerec.pipeline.recommend import Recommendation, Recommender
from scorerec.text.budget import Budget, fit
from scorerec.text.segments import Segment, from_rows

USER = "u0003"


class StubLLM:
    """Likes items by the last digit of their id, and answers in another order than it is asked in."""

    def __init__(self) -> None:
        self.asked: list[pa.Table] = []

    def __call__(self, prompts: pa.Table) -> pa.Table:
        self.asked.append(PROMPTS.check(prompts))
        rows = [(row["target_id"], likes(target_of(row))) for row in prompts.to_pylist()]
        names, p_yes = zip(*reversed(rows), strict=True)
        return pa.table({"target_id": list(names), "p_yes": list(p_yes)})


def whole(prompts: Sequence[Sequence[Segment]]) -> Sequence[Sequence[Segment]]:
    """Return prompts as an LM without a budget reads them."""
    return prompts


def likes(item_id: str) -> float:
    return int(item_id[-1]) / 10


def target_of(row: dict[str, Any]) -> str:
    (target,) = (part.item_id for part in from_rows(row["segments"]) if part.kind == "target")
    assert target is not None
    return target


@pytest.fixture(scope="module")
def crm(world: Any) -> ConventionalRecommender:
    settings = {"dimension": 8, "inner_dimension": 8, "n_layers": 1, "n_heads": 1}
    config = CRMConfig.model_validate({"epochs": 2, "settings": settings})
    return fit_crm(world.prepared().interactions, config, seed=0)[0]


@pytest.fixture
def llm() -> StubLLM:
    return StubLLM()


@pytest.fixture(params=["train", "as-of"])
def corpus(request: pytest.FixtureRequest, corpora: dict[str, Corpus]) -> Corpus:
    return corpora[request.param]


@pytest.fixture
def recommender(world: Any, crm: ConventionalRecommender, llm: StubLLM, corpus: Corpus, chain: Chain) -> Recommender:
    return Recommender(chain, llm, whole, crm, world.items["item_id"].to_list())


@pytest.fixture
def chain(corpora: dict[str, Corpus], corpus: Corpus, chain_over: Callable[[str], Chain]) -> Chain:
    return next(chain_over(kind) for kind, found in corpora.items() if found is corpus)


@pytest.fixture(scope="module")
def history(world: Any) -> list[str]:
    """Return what the user has liked so far."""
    rows = world.prepared().interactions.to_pylist()
    return [row["item_id"] for row in rows if row["user_id"] == USER and row["label"]]


def test_the_best_unseen_items_come_first(recommender: Recommender, history: list[str]) -> None:
    seen = [*history[:3], "00009", "00019"]
    found = recommender.recommend(USER, history, seen, count=5)
    assert len(found) == 5
    assert not {item.item_id for item in found} & {*history, *seen}
    assert [item.p_yes for item in found] == sorted((item.p_yes for item in found), reverse=True)
    assert all(item.p_yes == likes(item.item_id) for item in found)
    titles = [recommender.chain.prompter.describer.title(item.item_id) for item in found]
    assert [item.title for item in found] == titles


def test_the_crm_proposes(recommender: Recommender, llm: StubLLM, history: list[str]) -> None:
    unseen = [item for item in recommender.catalogue if item not in history]
    scores = recommender.crm.score([history] * len(unseen), unseen)
    likely = {item for _, item in sorted(zip(-scores, unseen, strict=True))[:7]}
    found = recommender.recommend(USER, history, (), count=50, n_proposals=7)
    assert {item.item_id for item in found} == likely
    assert [table.num_rows for table in llm.asked] == [7]


def test_own_behaviours_are_never_evidence(recommender: Recommender, history: list[str]) -> None:
    found = recommender.recommend(USER, history, (), count=10)
    shown = [evidence.user_id for item in found for evidence in item.evidence]
    assert len(shown) == 10 * recommender.chain.n_context_users
    assert USER not in shown


def test_evidence_is_what_the_prompt_showed(
    recommender: Recommender, llm: StubLLM, corpus: Corpus, history: list[str]
) -> None:
    found = recommender.score_items(USER, history, ["00001", "00002", "00003"])
    describer, lists = recommender.chain.prompter.describer, behaviour_lists(corpus)
    for item, row in zip(found, llm.asked[0].to_pylist(), strict=True):
        parts = [part for part in from_rows(row["segments"]) if part.kind == "evidence"]
        names = list(dict.fromkeys(part.behaviour_id for part in parts))
        assert [evidence.user_id for evidence in item.evidence] == [lists[name][0] for name in names]
        for name, evidence in zip(names, item.evidence, strict=True):
            titles = [describer.item(part.item_id) for part in parts if part.behaviour_id == name]
            assert [f"'{title}'" for title in evidence.titles] == titles
            assert evidence.has_item == any(part.item_id == item.item_id for part in parts if part.behaviour_id == name)


def test_only_what_the_lm_read_speaks_for_an_item(recommender: Recommender, corpus: Corpus, history: list[str]) -> None:
    """Who liked the item, but had its title cut off, is not said to have liked it; who was cut off is not named."""
    items = recommender.catalogue[:40]
    liked = dict(behaviour_lists(corpus).values())
    fewest = partial(fit, budget=Budget(evidence_titles=1, evidence_users=1), count_tokens=len)
    cut = replace(recommender, as_read=lambda prompts: [fewest(segments).segments for segments in prompts])
    before, after = (asked.score_items(USER, history, items) for asked in (recommender, cut))
    assert any(shown.has_item and shown.titles[-1] != item.title for item in before for shown in item.evidence)
    for item in after:
        (shown,) = item.evidence
        assert shown.titles == (recommender.chain.prompter.describer.title(liked[shown.user_id][-1]),)
        assert shown.has_item == (shown.titles == (item.title,))
    assert [item.p_yes for item in after] == [item.p_yes for item in before]


def behaviour_lists(corpus: Corpus) -> dict[str, tuple[str, list[str]]]:
    return {row["behaviour_id"]: (row["user_id"], row["item_ids"]) for row in corpus.behaviours.to_pylist()}


def test_titles_of_evidence_end_where_the_prompt_ends(
    world: Any, crm: ConventionalRecommender, llm: StubLLM, corpus: Corpus, history: list[str]
) -> None:
    chain = world.chain(corpus, evidence_titles=2)
    with chain.index:
        recommender = Recommender(chain, llm, whole, crm, world.items["item_id"].to_list())
        found = recommender.score_items(USER, history, ["00001"])
    shown = [part for part in from_rows(llm.asked[0]["segments"][0].as_py()) if part.kind == "evidence"]
    assert [len(evidence.titles) for evidence in found[0].evidence] == [2, 2]
    assert len(shown) == 4


def test_items_keep_their_order_when_scored(recommender: Recommender, history: list[str]) -> None:
    asked = ["00007", "00001", "00005"]
    found = recommender.score_items(USER, history, asked)
    assert [(item.item_id, item.p_yes) for item in found] == [("00007", 0.7), ("00001", 0.1), ("00005", 0.5)]


def test_a_known_user_sees_what_the_newest_corpus_holds(
    recommender: Recommender, corpus: Corpus, history: list[str]
) -> None:
    """A request is later than every snapshot: each similar user is shown as last known."""
    newest: dict[str, int] = {}
    for row in corpus.behaviours.to_pylist():
        newest[row["user_id"]] = max(newest.get(row["user_id"], 0), len(row["item_ids"]))
    for item in recommender.recommend(USER, history, (), count=10):
        for evidence in item.evidence:
            limit = recommender.chain.prompter.config.evidence_titles
            assert len(evidence.titles) == min(limit, newest[evidence.user_id])


def test_a_user_whom_training_never_saw(recommender: Recommender, history: list[str]) -> None:
    stranger = recommender.recommend("stranger", history, (), count=3)
    assert len(stranger) == 3
    # With the user's own history, nobody is as similar as that user.
    candidates = recommender.chain.candidates(
        pa.table(
            {
                "query_id": ["q"],
                "user_id": ["stranger"],
                "n_before": pa.array([len(history)], pa.int32()),
                "snapshot": [2**62],
                "item_ids": [history],
            }
        )
    )
    lists = behaviour_lists_of(recommender)
    assert USER in {lists[name][0] for name in ranked(candidates, "query_id")["q"]}


def behaviour_lists_of(recommender: Recommender) -> dict[str, tuple[str, list[str]]]:
    rows = recommender.chain.index.behaviours().to_pylist()
    return {row["behaviour_id"]: (row["user_id"], row["item_ids"]) for row in rows}


def test_a_user_without_a_history(recommender: Recommender, llm: StubLLM) -> None:
    found = recommender.recommend("stranger", [], (), count=3, n_proposals=5)
    assert [item.evidence for item in found] == [()] * 3
    kinds = {part["kind"] for row in llm.asked[0]["segments"].to_pylist() for part in row}
    assert kinds == {"wording", "target"}


def test_fewer_unseen_items_than_asked_for(recommender: Recommender, history: list[str]) -> None:
    left = [item for item in recommender.catalogue if item not in history][:2]
    seen = [item for item in recommender.catalogue if item not in left]
    found: list[Recommendation] = recommender.recommend(USER, history, seen, count=5)
    assert {item.item_id for item in found} == set(left)


def test_a_user_who_has_seen_everything(recommender: Recommender, llm: StubLLM, history: list[str]) -> None:
    with pytest.raises(DataError, match="user 'u0003' has seen all 80 items"):
        recommender.recommend(USER, history, recommender.catalogue, count=3)
    assert llm.asked == []


def test_a_history_with_an_unknown_item_is_refused(recommender: Recommender) -> None:
    with pytest.raises(DataError, match="item 'elsewhere' is not among"):
        recommender.recommend(USER, ["00001", "elsewhere"], (), count=3)
