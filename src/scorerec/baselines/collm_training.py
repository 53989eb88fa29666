"""How CoLLM learns: a projector on top of an LM that was tuned on text, and stays as it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scorerec.baselines.config import CoLLMConfig
from scorerec.baselines.soft import Material, SoftConfigs, note_shape, read_shape, width
from scorerec.baselines.virtual_tokens import (
    load_virtual_tokens,
    save_virtual_tokens,
    with_virtual_tokens,
    without_virtual_tokens,
)
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.fit import Trainer
from scorerec.llm.score import Scorer
from scorerec.llm.tune import own_randomness, told


def projector(n_values: int, n_embedded: int, expansion: int) -> nn.Module:
    """Return the projector, one for users and items: d -> expansion d -> H.

    Args:
        n_values: d, of a vector of a user or item.
        n_embedded: H, of the LM's embedding.
        expansion: how many times wider the inner layer is than d.
    """
    inner = expansion * n_values
    return nn.Sequential(nn.Linear(n_values, inner), nn.ReLU(), nn.Linear(inner, n_embedded))


def train_collm(
    tuned: Path,
    material: Material,
    configs: SoftConfigs[CoLLMConfig],
    out: Path,
    seed: int,
    device: str = "auto",
) -> dict[str, Any]:
    """Train the projector on top of a language model that was tuned on text, and stays as it is.

    Args:
        tuned: folder of the first stage: the LM tuned on P^b.
        material: prompts with marks, labels, and the vectors of users and items.
        configs: how the LM was tuned, and how the projector is.
        out: folder of the result.
        seed: decides the projector's first weights and the order of the rows.
        device: where it computes: auto, cpu, cuda, cuda:1, ...

    Returns:
        Facts for the manifest.
    """
    start, own = time.perf_counter(), configs.own
    config = configs.lm.model_copy(update={"learning_rate": own.learning_rate, "epochs": own.epochs})
    backbone = load_backbone(tuned, config.precision, device)
    n_values = material.vectors.shape[1]
    with own_randomness(backbone, seed):
        backbone.model.requires_grad_(False)
        virtual = with_virtual_tokens(
            backbone, torch.from_numpy(material.vectors), projector(n_values, width(backbone), own.expansion)
        )
        train, valid = material.rows(config, seed)
        course = Trainer(virtual, config, train, valid, seed).run()
    facts = told(course, virtual, len(train.labels), time.perf_counter() - start)
    save_virtual_tokens(without_virtual_tokens(virtual), out)
    note_shape(out, {"n_values": n_values, "expansion": own.expansion})
    return facts


def load_collm(tuned: Path, folder: Path, config: LLMConfig, device: str = "auto") -> Scorer:
    """Return a scorer of what ``train_collm`` saved in ``folder``, on the LM of the first stage.

    Args:
        tuned: folder of the first stage.
        folder: what ``train_collm`` saved.
        config: how the LM reads prompts.
        device: where it computes: auto, cpu, cuda, cuda:1, ...
    """
    backbone, shape = load_backbone(tuned, config.precision, device), read_shape(folder)
    made = projector(shape["n_values"], width(backbone), shape["expansion"])
    vectors = load_virtual_tokens(folder, made)
    return Scorer(with_virtual_tokens(backbone, vectors, made.eval()), config)
