"""The chain does in one go what the stages of an experiment do one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import CANDIDATES, CONTEXTS, PROMPTS, QUERIES, TARGETS
from scorerec.data.corpus import Corpus
from scorerec.data.synthetic import SyntheticWorld
from scorerec.pipeline.chain import AskedRows, Chain, choose_contexts
from scorerec.pipeline.forms.titles import Titles
from scorerec.pipeline.prompting import item_lists, ranked
from scorerec.retrieve.candidates import retrieve_candidates
from scorerec.text.segments import from_rows

KINDS = ["train", "as-of"]
each_corpus = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def chain(chain_over: Callable[[str], Chain], kind: str) -> Chain:
    return chain_over(kind)


@pytest.fixture
def corpus(corpora: dict[str, Corpus], kind: str) -> Corpus:
    return corpora[kind]


def owners_of(corpus: Corpus) -> dict[str, str]:
    return {row["behaviour_id"]: row["user_id"] for row in corpus.behaviours.to_pylist()}


def request_of(user_id: str, history: list[str], item_id: str) -> tuple[pa.Table, pa.Table]:
    """Return TARGETS and QUERIES of somebody who asks now."""
    query = {"query_id": "q", "user_id": user_id, "n_before": len(history), "snapshot": 2**62, "item_ids": history}
    target = {"target_id": "t", "query_id": "q", "item_id": item_id}
    return pa.Table.from_pylist([target], TARGETS.columns), pa.Table.from_pylist([query], QUERIES.columns)


@each_corpus
def test_evidence_is_what_the_stages_find(chain: Chain, corpus: Corpus) -> None:
    prompter, vectors = chain.prompter, chain.finder.queries(corpus.queries)
    candidates = retrieve_candidates(corpus.queries, vectors, chain.index, chain.n_candidates)
    asked = AskedRows(corpus.targets, corpus.queries)
    contexts = choose_contexts(prompter, chain.reranker, asked, candidates, corpus.behaviours, chain.n_context_users)
    prompts = prompter.with_evidence(*asked, [Titles(prompter, contexts, item_lists(corpus.behaviours))])
    found = chain.evidence(*asked)
    assert found.candidates.equals(CANDIDATES.check(candidates))
    assert found.contexts.equals(CONTEXTS.check(contexts))
    assert found.prompts.equals(PROMPTS.check(prompts))


@each_corpus
def test_one_request_is_shown_what_it_is_shown_in_a_batch(chain: Chain, corpus: Corpus) -> None:
    batch = chain.evidence(corpus.targets, corpus.queries).prompts.to_pylist()
    for place in range(0, corpus.targets.num_rows, 40):
        alone = chain.evidence(corpus.targets.slice(place, 1), corpus.queries).prompts.to_pylist()
        assert alone == [batch[place]]


@each_corpus
def test_own_user_is_never_evidence(chain: Chain, corpus: Corpus) -> None:
    owners, found = owners_of(corpus), chain.evidence(corpus.targets, corpus.queries)
    asking = {row["query_id"]: row["user_id"] for row in corpus.queries.to_pylist()}
    assert found.candidates.num_rows > 0
    for row in found.candidates.to_pylist():
        assert owners[row["behaviour_id"]] != asking[row["query_id"]]


@each_corpus
def test_contexts_are_candidates_of_the_query(chain: Chain, corpus: Corpus) -> None:
    found = chain.evidence(corpus.targets, corpus.queries)
    candidates, contexts = ranked(found.candidates, "query_id"), ranked(found.contexts, "target_id")
    for row in corpus.targets.to_pylist():
        possible, chosen = candidates.get(row["query_id"], []), contexts.get(row["target_id"], [])
        assert len(possible) <= chain.n_candidates
        assert len(chosen) == min(chain.n_context_users, len(possible))
        assert set(chosen) <= set(possible)


@each_corpus
def test_prompts_show_the_contexts_in_their_order(chain: Chain, corpus: Corpus) -> None:
    found = chain.evidence(corpus.targets, corpus.queries)
    contexts = ranked(found.contexts, "target_id")
    for row in found.prompts.to_pylist():
        shown = [part.behaviour_id for part in from_rows(row["segments"]) if part.kind == "evidence"]
        assert list(dict.fromkeys(shown)) == contexts.get(row["target_id"], [])


@each_corpus
def test_the_twin_is_found_by_its_words(world: Any, chain: Chain, corpus: Corpus) -> None:
    """Whoever rated the same items is found even by an untrained encoder, so a test of evidence is no empty test."""
    owners, candidates = owners_of(corpus), ranked(chain.candidates(corpus.queries), "query_id")
    long = [row for row in corpus.queries.to_pylist() if row["n_before"] >= 6]
    hits = [
        SyntheticWorld().twin_of(row["user_id"]) in [owners[name] for name in candidates.get(row["query_id"], [])]
        for row in long
    ]
    assert sum(hits) / len(hits) > 0.6  # 4 of 11 others: 0.36 by chance


@each_corpus
def test_a_user_whom_nobody_has_seen_gets_evidence(chain: Chain, corpus: Corpus, kind: str) -> None:
    twin = corpus.behaviours.to_pylist()[-1]
    found = chain.evidence(*request_of("a stranger", twin["item_ids"], "00001"))
    assert found.candidates["behaviour_id"][0].as_py() == twin["behaviour_id"]
    assert found.candidates["similarity"][0].as_py() == pytest.approx(1.0, abs=1e-5)


@each_corpus
def test_nobody_is_like_a_user_without_a_history(chain: Chain, corpus: Corpus) -> None:
    request = request_of("a stranger", [], "00001")
    found = chain.evidence(*request)
    assert (found.candidates.num_rows, found.contexts.num_rows) == (0, 0)
    assert found.prompts.equals(chain.prompter.basic(*request))


@each_corpus
def test_no_context_users_make_the_basic_prompt(world: Any, corpus: Corpus) -> None:
    chain = dataclasses.replace(world.chain(corpus), n_context_users=0)
    asked = corpus.targets, corpus.queries
    with chain.index:
        assert chain.evidence(*asked).prompts.equals(chain.prompter.basic(*asked))


@pytest.mark.parametrize("kind", ["train"])
def test_an_item_that_the_catalogue_lacks_is_named(chain: Chain) -> None:
    with pytest.raises(DataError, match="item 'elsewhere' is not among"):
        chain.evidence(*request_of("a stranger", ["00001", "elsewhere"], "00002"))


@pytest.mark.parametrize("kind", ["train"])
def test_a_forgotten_user_is_nobodys_evidence(world: Any, corpus: Corpus) -> None:
    chain = world.chain(corpus)
    with chain.index:
        assert chain.index.delete_user("u0000") == 1
        candidates = chain.candidates(corpus.queries)
    assert "u0000" not in candidates["behaviour_id"].to_pylist()


@pytest.mark.parametrize("kind", ["train"])
def test_a_user_forgotten_in_the_middle_of_a_request_is_left_out(
    world: Any, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another process forgets them between the search and the reading of what was found."""
    chain, request = world.chain(corpus), request_of("a stranger", corpus.behaviours["item_ids"][3].as_py(), "00001")
    with chain.index as index:
        nearest, second = chain.evidence(*request).candidates["behaviour_id"].to_pylist()[:2]
        search = index.search

        def search_then_forget(*arguments: Any, **named: Any) -> Any:
            hits = search(*arguments, **named)
            index.delete_user(nearest)
            return hits

        monkeypatch.setattr(index, "search", search_then_forget)
        found = chain.evidence(*request)
    assert found.candidates["behaviour_id"][0].as_py() == second
    assert nearest not in found.contexts["behaviour_id"].to_pylist()
    assert found.contexts.num_rows == chain.n_context_users


@pytest.mark.parametrize("kind", ["train"])
def test_a_request_reads_of_the_index_what_it_found_and_no_more(
    chain: Chain, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    behaviours = chain.index.behaviours
    monkeypatch.setattr(chain.index, "behaviours", lambda ids: read.append(ids) or behaviours(ids))
    found = chain.evidence(corpus.targets, corpus.queries)
    assert read == [set(found.candidates["behaviour_id"].to_pylist())]
    assert set(found.behaviours["behaviour_id"].to_pylist()) == read[0]
