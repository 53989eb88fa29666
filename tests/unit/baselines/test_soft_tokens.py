"""LLaRA and CoLLM: their vectors carry what no title says, and come back with the model."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from scorerec.baselines.collm_training import load_collm, train_collm
from scorerec.baselines.config import CoLLMConfig, LLaRAConfig
from scorerec.baselines.llara_training import _Curriculum, load_llara, train_llara
from scorerec.baselines.soft import SoftConfigs
from scorerec.baselines.virtual_tokens import with_virtual_tokens
from scorerec.core.errors import ConfigError, ModelError
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LLMConfig, LoRAConfig
from scorerec.llm.tune import tune

CONFIG = LLMConfig(epochs=6, batch_size=16, learning_rate=5e-3, threads=1)
PROJECTED = CoLLMConfig(learning_rate=1e-2, epochs=10)


def auc(scorer, material, shuffled: bool = False) -> float:
    """Return the AUC on test rows, with every vector as it is or another item's."""
    table = material.labels.filter(pa.compute.equal(material.labels["split"], "test"))
    prompts = material.prompts.filter(
        pa.compute.is_in(material.prompts["target_id"], table["target_id"].combine_chunks())
    )
    embedding = scorer.backbone.model.get_input_embeddings()
    vectors = embedding.vectors.clone()
    if shuffled:
        order = np.random.default_rng(0).permutation(len(vectors))
        embedding.vectors.copy_(vectors[order])
    found = scorer.score(prompts)
    embedding.vectors.copy_(vectors)
    return float(roc_auc_score(table["label"], found["p_yes"]))


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_llara_reads_its_vectors(tiny_lm, material, tmp_path, tuning):
    given = material("marked")
    config = CONFIG.model_copy(update={"tune": tuning, "lora": LoRAConfig(rank=4)})
    facts = train_llara(tiny_lm, given, SoftConfigs(config, LLaRAConfig()), tmp_path, seed=0)
    scorer = load_llara(tmp_path, config)
    assert auc(scorer, given) > 0.85
    assert auc(scorer, given, shuffled=True) < 0.7
    assert facts["validation_auc"] > 0.85


def test_they_compute_where_they_are_told_to(tiny_lm, material, tmp_path):
    with pytest.raises(ConfigError, match="got 'abacus'"):
        train_llara(tiny_lm, material("marked"), SoftConfigs(CONFIG, LLaRAConfig()), tmp_path, seed=0, device="abacus")
    with pytest.raises(ConfigError, match="got 'abacus'"):
        train_collm(tiny_lm, material("featured"), SoftConfigs(CONFIG, PROJECTED), tmp_path, seed=0, device="abacus")


def test_a_prompt_longer_than_the_model_reads_is_refused(tiny_lm, material, tmp_path):
    short = tmp_path / "short"
    shutil.copytree(tiny_lm, short)
    config = json.loads((short / "config.json").read_text(encoding="utf-8"))
    (short / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 8}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"8 positions; set llm\.max_tokens=8"):
        train_llara(short, material("marked"), SoftConfigs(CONFIG, LLaRAConfig()), tmp_path, seed=0)
    with pytest.raises(ModelError, match=r"8 positions; set llm\.max_tokens=8"):
        train_collm(short, material("featured"), SoftConfigs(CONFIG, PROJECTED), tmp_path, seed=0)


def test_collm_reads_its_vectors_and_leaves_the_language_model_alone(tiny_lm, material, tmp_path):
    given = material("featured")
    tuned = tmp_path / "text"
    untuned = CONFIG.model_copy(update={"tune": "none"})
    tune(load_backbone(tiny_lm), given.prompts.slice(0), given.labels, untuned, tuned, 0)
    before = (tiny_lm / "model.safetensors").read_bytes()
    train_collm(tuned, given, SoftConfigs(CONFIG, PROJECTED), tmp_path / "collm", seed=0)
    assert (tiny_lm / "model.safetensors").read_bytes() == before
    assert not list((tmp_path / "collm").glob("model*"))
    scorer = load_collm(tuned, tmp_path / "collm", CONFIG)
    assert auc(scorer, given) > 0.7  # the projector alone must make itself understood to an LM that never saw vectors
    assert auc(scorer, given, shuffled=True) < 0.6


def test_the_same_seed_gives_the_same_scores(tiny_lm, material, tmp_path):
    given, config = material("marked"), CONFIG.model_copy(update={"epochs": 1})
    scores = []
    for name in ("one", "other"):
        train_llara(tiny_lm, given, SoftConfigs(config, LLaRAConfig()), tmp_path / name, seed=3)
        scores.append(load_llara(tmp_path / name, config).score(given.prompts))
    assert scores[0].equals(scores[1])


@pytest.mark.parametrize(("schedule", "expected"), [("paper", [0, 1 / 3, 2 / 3]), ("as-released", [0, 0, 0])])
def test_the_chance_of_vectors_grows(tiny_lm, material, schedule, expected):
    """From 0 to 1 over all epochs, or, as it was released, from 0 in each of them."""
    given, config = material("marked"), CONFIG.model_copy(update={"epochs": 3})
    backbone = load_backbone(tiny_lm, device="cpu")
    virtual = with_virtual_tokens(backbone, torch.from_numpy(given.vectors), nn.Linear(4, 32))
    trainer = _Curriculum(virtual, SoftConfigs(config, LLaRAConfig(schedule=schedule)), *given.rows(config, 0), 0)
    chances = []
    for epoch in range(3):
        chances.append(trainer.chance)
        trainer.place.epoch, trainer.place.step = epoch, 0
        trainer._epoch(None)
    assert chances == pytest.approx(expected)
    assert trainer.chance == pytest.approx(1.0 if schedule == "paper" else 0.0)


def test_batches_without_vectors_hold_the_same_titles(tiny_lm, material):
    given = material("marked")
    backbone = load_backbone(tiny_lm, device="cpu")
    virtual = with_virtual_tokens(backbone, torch.from_numpy(given.vectors), nn.Linear(4, 32))
    trainer = _Curriculum(virtual, SoftConfigs(CONFIG, LLaRAConfig()), *given.rows(CONFIG, 0), 0)
    hybrid = trainer._encoded(0)
    first = virtual.tokenizer.first_id
    for with_vectors, without in zip(hybrid.tokens, trainer._text.tokens, strict=True):
        assert (with_vectors >= first).sum() >= 2  # the history's, and the target's
        np.testing.assert_array_equal(with_vectors[with_vectors < first], without)
