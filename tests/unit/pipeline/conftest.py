"""A world of six pairs of twins with small real components: encoder, index, reranker."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sentence_transformers import SentenceTransformer

from scorerec.data.corpus import Corpus, CorpusConfig, build_corpus
from scorerec.data.prepare import DataConfig, Prepared, prepare_raw
from scorerec.data.raw import RawTables
from scorerec.data.synthetic import SyntheticWorld
from scorerec.pipeline.chain import Chain
from scorerec.pipeline.finding import Finder
from scorerec.pipeline.prompting import PromptConfig, Prompter
from scorerec.rerank.config import SAREConfig
from scorerec.rerank.models import BiEncoderReranker
from scorerec.retrieve.index import BehaviourIndex

SOURCE = SyntheticWorld(n_users=12, n_items=80, n_shared=8, n_own=6)
SPLIT = {"by": "months", "train": (0, 9), "valid": (10, 10), "test": (11, 11)}
AS_OF = CorpusConfig(kind="as-of", refresh="month")
N_CANDIDATES, N_CONTEXT_USERS = 4, 2


@dataclass(frozen=True)
class World:
    """Ratings, and everything that follows from them with untrained components."""

    ratings: pl.DataFrame
    items: pl.DataFrame
    encoder: SentenceTransformer
    folder: Path

    def prepared(self, flipped: int | None = None, ties: str = "file") -> Prepared:
        """Prepare the ratings, with the label of the row at position ``flipped`` turned round."""
        is_flipped = pl.col("position") == (-1 if flipped is None else flipped)
        opposite = pl.when(pl.col("rating") >= 4).then(1.0).otherwise(5.0)
        rating = pl.when(is_flipped).then(opposite).otherwise("rating").cast(pl.Float32)
        ratings = self.ratings.with_columns(rating=rating)
        config = {"source": SOURCE.model_dump(), "split": SPLIT, "ties": ties}
        return prepare_raw(RawTables(ratings, self.items), DataConfig.model_validate(config))

    def prompter(self, **settings: Any) -> Prompter:
        return Prompter(self.prepared().items, PromptConfig(**settings))

    def chain(self, corpus: Corpus, finder: Finder | None = None, **settings: Any) -> Chain:
        """Return a chain over the behaviours of ``corpus``, in an index of its own; by the encoder, if not said."""
        finder = finder or Finder(self.prompter(**settings), lambda: self.encoder)
        path = Path(tempfile.mkdtemp(dir=self.folder)) / "index.sqlite"
        vectors = finder.behaviours(corpus.behaviours)
        index = BehaviourIndex.create(path, finder.fingerprint, vectors["vector"].type.list_size)
        index.add(corpus.behaviours, vectors)
        reranker = BiEncoderReranker(self.encoder, SAREConfig(reading="bi-encoder"))
        return Chain(finder.prompter, finder, index, reranker, N_CANDIDATES, N_CONTEXT_USERS)


@pytest.fixture(scope="session")
def world(word_encoder: Callable[..., SentenceTransformer], tmp_path_factory: pytest.TempPathFactory) -> World:
    raw = SOURCE.read(None)
    encoder = word_encoder(raw.items["title"])
    return World(raw.ratings, raw.items, encoder, tmp_path_factory.mktemp("indexes"))


@pytest.fixture(scope="session")
def crowded(world: World) -> World:
    """The same world where things happen at noon or midnight: many rows share a second, many meet a snapshot."""
    half_day = 43_200
    ratings = world.ratings.with_columns(timestamp=pl.col("timestamp") // half_day * half_day)
    return World(ratings, world.items, world.encoder, world.folder)


@pytest.fixture(scope="session")
def corpora(world: World) -> dict[str, Corpus]:
    interactions = world.prepared().interactions
    return {config.kind: build_corpus(interactions, config) for config in (CorpusConfig(), AS_OF)}


@pytest.fixture(scope="session")
def chain_over(world: World, corpora: dict[str, Corpus]) -> Callable[[str], Chain]:
    @cache
    def over(kind: str) -> Chain:
        return world.chain(corpora[kind])

    return over
