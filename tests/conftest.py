"""What tests of several rooms share: a tiny text encoder that needs no download, and an experiment to run with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from scorerec.core.artifacts import Artifact, Draft
from scorerec.core.randomness import generator
from scorerec.data.synthetic import SyntheticWorld
from scorerec.experiment.config import ExperimentConfig, load_experiment
from scorerec.experiment.plan import stages_of
from scorerec.experiment.run import RECORD, Run
from scorerec.experiment.runner import Progress, Runner
from scorerec.experiment.settings import EVERYTHING
from scorerec.experiment.stage import Stage

# Hardly two pairs of twins are asked about the same item, and nothing but taste tells the label.
WORLD = SyntheticWorld(n_users=60, n_items=1200, quality_strength=0.0)
_SETTINGS = (
    'data.source={name="synthetic", n_users=60, n_items=1200, quality_strength=0.0}',
    'data.split={by="months", train=[0, 9], valid=[10, 10], test=[11, 11]}',
    "device=cpu",
    "crm.recipe=library",
    "crm.epochs=30",
    "crm.patience=10",
    "crm.batch_size=256",
    "crm.learning_rate=0.01",
    "crm.settings={dimension=32, inner_dimension=32, n_layers=1, n_heads=1}",
    # As the paper has it, whatever was chosen for the data of a preset.
    "evidence.n_neighbours=5",
    "evidence.similarity={centre=false, unit=false}",
    "evidence.item_sets=0",
    "evidence.beside=[]",
    "finding={crm_share=0, activity=0}",
    "sare.teacher=assessment",
    "sare.history_titles=2",
    "car.n_prefixes=3",
    "car.batch_size=16",
    "car.epochs=2",
    "car.learning_rate=0.01",
    "assess.n_targets=200",
    "sare.epochs=1",
    "toy_lm={vocabulary=600, width=16, layers=1, heads=1, inner_width=32}",
    "reading.n_texts=300",
    "llm.epochs=1",
    "llm.max_train_rows=300",
    "llm.selections_per_epoch=1",
    "baselines.coral={n_steps=60, random_steps=20, selections=1, max_valid_rows=50}",
    "baselines.encoder={frozen_layers=5, epochs=1, max_train_rows=16, max_valid_rows=16, max_tokens=96}",
    "evaluation.n_resamples=50",
)
_UNKNOWN = "[UNK]"
# Tests run side by side: a second thread would wait for a core that is taken, and everything with it.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def word_encoder() -> Callable[..., SentenceTransformer]:
    """Return a maker of static encoders with a random vector for each word of the texts given to it.

    Punctuation and words that stand in none of the texts count for nothing, so the cosine of two lists of titles
    grows with the words that they share.
    """

    def make(texts: Iterable[str], dimension: int = 64) -> SentenceTransformer:
        words = sorted({word for text in texts for word in re.findall(r"\w+", text)})
        tokenizer = Tokenizer(WordLevel({word: row for row, word in enumerate([_UNKNOWN, *words])}, unk_token=_UNKNOWN))
        tokenizer.pre_tokenizer = Whitespace()
        weights = generator(0, "word encoder").normal(size=(1 + len(words), dimension)).astype(np.float32)
        weights[0] = 0.0
        return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")

    return make


@dataclass(frozen=True)
class Experiment:
    """Settings under which the stages are run.

    Attributes:
        models: where the encoder lies that stands in for all three.
    """

    models: Path

    def settings(self, *changes: str) -> list[str]:
        """Return what is set differently from the preset ml-1m-toy."""
        encoder = [f"{name}={self.models}" for name in ("car.model", "sare.model", "evidence.text_embedder")]
        return [*_SETTINGS, *encoder, "name=synthetic", *changes]

    def config(self, *changes: str) -> ExperimentConfig:
        return load_experiment("ml-1m-toy", self.settings(*changes))

    def run(self, root: Path, *changes: str, to: str | None = None) -> Outcome:
        config, told = self.config(*changes), list[Progress]()
        read: dict[str, Read] = {}
        stages = [recorded(stage, read) for stage in stages_of(config)]
        artifacts = Runner(stages, config, root).run(to, told.append)
        return Outcome(root, config, artifacts, told, read)


@dataclass
class Read:
    """Settings and stages that a stage read while it ran."""

    settings: set[str] = field(default_factory=set)
    stages: set[str] = field(default_factory=set)


def recorded(stage: Stage, read: dict[str, Read]) -> Stage:
    """Return the stage, noting what it reads."""

    def run(given: Run, draft: Draft, *others: Any) -> None:
        stage.function(given, draft, *others)
        own = read.setdefault(stage.name, Read())
        if EVERYTHING not in stage.settings:
            own.settings |= object.__getattribute__(given.config, "_read")
        own.stages |= given.read

    return replace(stage, work=run)


@dataclass(frozen=True)
class Outcome:
    """One run, and what it said on its way."""

    root: Path
    config: ExperimentConfig
    artifacts: Mapping[str, Artifact]
    told: Sequence[Progress] = field(repr=False)
    read: Mapping[str, Read] = field(repr=False)

    @property
    def made(self) -> Run:
        """What the stages made."""
        return Run(self.config, self.artifacts, self.root, self.root / self.config.folder_name)

    @property
    def ran(self) -> list[str]:
        """Stages that were not there before."""
        return [progress.stage for progress in self.told if progress.state == "ran"]


@pytest.fixture(scope="session")
def experiment(
    tmp_path_factory: pytest.TempPathFactory, word_encoder: Callable[..., SentenceTransformer]
) -> Experiment:
    folder = tmp_path_factory.mktemp("models") / "words"
    word_encoder(WORLD.read(None).items["title"]).save(str(folder), create_model_card=False)
    return Experiment(folder)


@pytest.fixture(scope="session")
def outcome(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Return the first run, from nothing. Tests share it in any order, so none may change its record."""
    made = experiment.run(tmp_path_factory.mktemp("runs"))
    record = made.root / made.config.folder_name / RECORD
    before = record.read_bytes()
    yield made
    assert record.read_bytes() == before, "a test ran another experiment of this name here: give it a name of its own"
