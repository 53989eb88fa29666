"""CAR alone, or the recommender beside it: what is told apart, and what an inner product is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorerec.crm.base import ConventionalRecommender
from scorerec.crm.config import CRMConfig
from scorerec.crm.train import fit_crm
from scorerec.data.corpus import Corpus
from scorerec.nn.encoders import encode, encoder_fingerprint
from scorerec.pipeline.config import FindingConfig
from scorerec.pipeline.finding import Finder, TasteFinder, encoder_texts
from scorerec.retrieve.config import SimilarityConfig
from scorerec.retrieve.similarity import Similarity


@pytest.fixture(scope="module")
def crm(world: Any) -> ConventionalRecommender:
    config = CRMConfig.model_validate({"model": "mf", "epochs": 2, "settings": {"dimension": 8}})
    return fit_crm(world.prepared().interactions, config, seed=0)[0]


@pytest.fixture
def corpus(corpora: dict[str, Corpus]) -> Corpus:
    return corpora["train"]


@pytest.fixture
def similarity(crm: ConventionalRecommender, corpus: Corpus) -> Similarity:
    states = crm.encode(corpus.behaviours["item_ids"].to_pylist())
    return Similarity.of(states, SimilarityConfig(centre=True, unit=True))


@pytest.fixture
def make(world: Any, crm: ConventionalRecommender, similarity: Similarity) -> Callable[..., Finder]:
    def finder(**config: float) -> Finder:
        settings = FindingConfig(**config)
        return Finder(
            world.prompter(), lambda: world.encoder, settings, (crm, similarity) if settings.crm_share else None
        )

    return finder


def matrix(table: pa.Table) -> np.ndarray:
    return np.array(table["vector"].to_pylist(), np.float32)


def products(finder: Any, corpus: Corpus) -> np.ndarray:
    """Return the inner product of each query with each behaviour."""
    return matrix(finder.queries(corpus.queries)) @ matrix(finder.behaviours(corpus.behaviours)).T


def test_the_paper_has_the_vectors_of_the_texts(make: Callable[..., Finder], corpus: Corpus) -> None:
    finder = make()
    for table, key, found in (
        (corpus.behaviours, "behaviour_id", finder.behaviours(corpus.behaviours)),
        (corpus.queries, "query_id", finder.queries(corpus.queries)),
    ):
        texts = encoder_texts(finder.prompter, finder.encoder, table, key)
        assert found[key].to_pylist() == list(texts) == table[key].to_pylist()
        assert found["vector"].to_pylist() == encode(finder.encoder, list(texts.values())).tolist()
    assert finder.fingerprint == encoder_fingerprint(finder.encoder)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_share_of_the_inner_product_is_the_recommenders(
    make: Callable[..., Finder], crm: Any, similarity: Similarity, corpus: Corpus, share: float
) -> None:
    by_text = products(make(), corpus)
    by_taste = products(TasteFinder(crm, similarity, "x"), corpus)
    expected = (1 - share) * by_text + share * by_taste
    np.testing.assert_allclose(products(make(crm_share=share), corpus), expected, atol=1e-5)
    assert not np.allclose(by_text, by_taste, atol=0.05)


def test_the_recommenders_likeness_is_eq_4_over_prepared_vectors(
    crm: Any, similarity: Similarity, corpus: Corpus
) -> None:
    behaviours, queries = (table["item_ids"].to_pylist() for table in (corpus.behaviours, corpus.queries))
    expected = similarity.prepare(crm.encode(queries)) @ similarity.prepare(crm.encode(behaviours)).T
    np.testing.assert_allclose(products(TasteFinder(crm, similarity, "x"), corpus), expected, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_who_liked_more_is_found_sooner(make: Callable[..., Finder], corpus: Corpus, share: float) -> None:
    """A behaviour's inner products count times a power of the number of its items."""
    plain, weighted = products(make(crm_share=share), corpus), products(make(crm_share=share, activity=0.5), corpus)
    n_items = np.array([len(items) for items in corpus.behaviours["item_ids"].to_pylist()])
    assert len(set(n_items)) > 1
    np.testing.assert_allclose(weighted, plain * np.sqrt(n_items), atol=1e-4)


def test_activity_counts_for_the_recommender_alone_too(crm: Any, similarity: Similarity, corpus: Corpus) -> None:
    n_items = np.array([len(items) for items in corpus.behaviours["item_ids"].to_pylist()])
    plain, weighted = (products(TasteFinder(crm, similarity, "x", activity), corpus) for activity in (0.0, 1.0))
    np.testing.assert_allclose(weighted, plain * n_items, atol=1e-4)


def test_who_is_alike_does_not_depend_on_how_much_was_liked(
    make: Callable[..., Finder], crm: Any, similarity: Similarity, corpus: Corpus
) -> None:
    pairs = [
        (make(crm_share=0.5, activity=0.5), make(crm_share=0.5)),
        (TasteFinder(crm, similarity, "x", 0.5), TasteFinder(crm, similarity, "x")),
    ]
    for weighted, expected in pairs:
        np.testing.assert_array_equal(products(weighted.plain, corpus), products(expected, corpus))
        assert not np.allclose(products(weighted, corpus), products(expected, corpus))


def test_vectors_that_must_not_be_mixed_have_other_fingerprints(
    world: Any, make: Callable[..., Finder], crm: Any, similarity: Similarity
) -> None:
    raw = Similarity(SimilarityConfig(), similarity.mean)
    moved = Similarity(similarity.config, similarity.mean + np.float32(1))
    finders = [
        make(),
        make(activity=0.1),
        make(activity=0.2),
        make(crm_share=0.5),
        make(crm_share=0.6),
        Finder(world.prompter(), lambda: world.encoder, FindingConfig(crm_share=0.5), (crm, raw)),
        Finder(world.prompter(), lambda: world.encoder, FindingConfig(crm_share=0.5), (crm, moved)),
    ]
    found = [finder.fingerprint for finder in finders]
    assert len(set(found)) == len(found)
    assert {len(one) for one in found} == {16}
    assert make(crm_share=0.5).fingerprint == found[3]


def test_another_recommender_is_another_fingerprint(
    world: Any, make: Callable[..., Finder], crm: Any, similarity: Similarity, tmp_path: Any
) -> None:
    crm.save(tmp_path)
    other = type(crm).load(tmp_path)
    settings = FindingConfig(crm_share=0.5)
    before = Finder(world.prompter(), lambda: world.encoder, settings, (other, similarity)).fingerprint
    assert before == make(crm_share=0.5).fingerprint
    other.item_embedding.weight.data[1, 0] += 1
    assert Finder(world.prompter(), lambda: world.encoder, settings, (other, similarity)).fingerprint != before


def test_the_chain_retrieves_by_the_blend(
    world: Any, make: Callable[..., Finder], crm: Any, similarity: Similarity, corpus: Corpus
) -> None:
    finder = make(crm_share=1.0)
    chain = world.chain(corpus, finder=finder)
    with chain.index:
        found = chain.candidates(corpus.queries.slice(40, 5)).to_pylist()
    expected = products(TasteFinder(crm, similarity, "x"), corpus)
    places = {name: place for place, name in enumerate(corpus.behaviours["behaviour_id"].to_pylist())}
    asked = {name: place for place, name in enumerate(corpus.queries["query_id"].to_pylist())}
    assert found
    for row in found:
        similarity_of_row = expected[asked[row["query_id"]], places[row["behaviour_id"]]]
        assert row["similarity"] == pytest.approx(similarity_of_row, abs=1e-5)
