"""CoLLM: one soft token for the user and one for the item (Zhang et al., 2023)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import torch
from pydantic import Field
from torch import nn

from scorerec.baselines.base import TEXT_TUNED, Baseline
from scorerec.baselines.soft import Material, crm_vectors, marks, note_shape, read_shape, width
from scorerec.baselines.virtual_tokens import (
    load_virtual_tokens,
    save_virtual_tokens,
    with_virtual_tokens,
    without_virtual_tokens,
)
from scorerec.core.config import Config
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.fit import Trainer
from scorerec.llm.score import Scorer
from scorerec.llm.tune import own_randomness, told
from scorerec.text.features import featured


class CoLLMConfig(Config):
    """The second stage of CoLLM: the projector alone."""

    expansion: int = Field(10, ge=1, description="inner width of the projector, in lengths of a vector")
    learning_rate: float = Field(1e-3, gt=0, description="peak, of the projector")
    epochs: int = Field(2, ge=1, description="passes over the training rows with the projector alone")


class CoLLM(Baseline):
    """Two stages: the LM tuned on P^b stays as it is, and a projector of users' and items' vectors is trained."""

    key: ClassVar[str] = "collm"
    label: ClassVar[str] = "CoLLM"
    settings: ClassVar[type[Config]] = CoLLMConfig
    builds_on: ClassVar[tuple[str, ...]] = ("crm", TEXT_TUNED)
    version: ClassVar[int] = 2

    def prompts(self) -> tuple[pa.Table, dict[str, Any]]:
        """Return P^b with a mark for the user and one for the item."""
        users, items = marks(self.inputs)
        return self.inputs.write(lambda row, basic: featured(basic, users[row.query_id], items[row.item_id])), {}

    def train(self, prompts: pa.Table, out: Path) -> dict[str, Any]:
        """Train the projector."""
        inputs = self.inputs
        material = Material(prompts, inputs.labels, crm_vectors(inputs, with_users=True))
        return train_collm(inputs.model(TEXT_TUNED), material, (inputs.llm, self.config), out, inputs.seed)

    def scorer(self, model: str | Path) -> Scorer:
        """Return the LM of the first stage with the projected vectors."""
        return load_collm(self.inputs.model(TEXT_TUNED), Path(model), self.inputs.llm)


def projector(n_values: int, n_embedded: int, expansion: int) -> nn.Module:
    """Return the projector, one for users and items: d -> expansion d -> H."""
    inner = expansion * n_values
    return nn.Sequential(nn.Linear(n_values, inner), nn.ReLU(), nn.Linear(inner, n_embedded))


def train_collm(
    tuned: Path, material: Material, configs: tuple[LLMConfig, CoLLMConfig], out: Path, seed: int
) -> dict[str, Any]:
    """Train the projector on top of a language model that was tuned on text, and stays as it is.

    Args:
        tuned: folder of the first stage: the LM tuned on P^b.
        material: prompts with marks, labels, and the vectors of users and items.
        configs: how the LM was tuned, and how the projector is.
        out: folder of the result.
        seed: decides the projector's first weights and the order of the rows.

    Returns:
        Facts for the manifest.
    """
    start, own = time.perf_counter(), configs[1]
    config = configs[0].model_copy(update={"learning_rate": own.learning_rate, "epochs": own.epochs})
    backbone = load_backbone(tuned, config.precision, config.device)
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


def load_collm(tuned: Path, folder: Path, config: LLMConfig) -> Scorer:
    """Return a scorer of what ``train_collm`` saved in ``folder``, on the LM of the first stage."""
    backbone, shape = load_backbone(tuned, config.precision, config.device), read_shape(folder)
    made = projector(shape["n_values"], width(backbone), shape["expansion"])
    vectors = load_virtual_tokens(folder, made)
    return Scorer(with_virtual_tokens(backbone, vectors, made.eval()), config)
