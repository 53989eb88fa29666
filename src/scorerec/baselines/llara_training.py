"""How LLaRA learns: the LM and a projector together, first on text, then more and more on text with vectors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scorerec.baselines.config import LLaRAConfig
from scorerec.baselines.soft import Material, SoftConfigs, note_shape, read_shape, width
from scorerec.baselines.virtual_tokens import (
    load_virtual_tokens,
    save_virtual_tokens,
    with_virtual_tokens,
    without_virtual_tokens,
)
from scorerec.core.randomness import generator
from scorerec.llm.backbone import Backbone, load_backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import Encoded
from scorerec.llm.fit import Trainer
from scorerec.llm.rows import LabelledPrompts
from scorerec.llm.score import Scorer
from scorerec.llm.tune import embedding_dropout, own_randomness, ready, save, told


def projector(n_values: int, n_embedded: int) -> nn.Module:
    """Return the projector: d -> H -> H."""
    return nn.Sequential(nn.Linear(n_values, n_embedded), nn.GELU(), nn.Linear(n_embedded, n_embedded))


def train_llara(
    backbone_name: str | Path,
    material: Material,
    configs: SoftConfigs[LLaRAConfig],
    out: Path,
    seed: int,
    device: str = "auto",
) -> dict[str, Any]:
    """Tune the language model and the projector together, first on text, then more and more on text with vectors.

    Args:
        backbone_name: an untuned LM.
        material: prompts with a mark behind each title, labels, and the vectors of items.
        configs: how the LM is tuned, and the schedule.
        out: folder of the result.
        seed: decides first weights, the order of the rows, and which steps have vectors.
        device: where it computes: auto, cpu, cuda, cuda:1, ...

    Returns:
        Facts for the manifest.
    """
    config, start, n_values = configs.lm, time.perf_counter(), material.vectors.shape[1]
    backbone = load_backbone(backbone_name, config.precision, device)
    with own_randomness(backbone, seed):
        trained = ready(backbone, config)
        virtual = with_virtual_tokens(trained, torch.from_numpy(material.vectors), projector(n_values, width(backbone)))
        train, valid = material.rows(config, seed)
        with embedding_dropout(virtual.model, config.embedding_dropout):
            course = _Curriculum(virtual, configs, train, valid, seed).run()
    facts = told(course, virtual, len(train.labels), time.perf_counter() - start)
    save_virtual_tokens(without_virtual_tokens(virtual), out)
    save(trained, config, out)
    note_shape(out, {"n_values": n_values})
    return facts


def load_llara(folder: Path, config: LLMConfig, device: str = "auto") -> Scorer:
    """Return a scorer of what ``train_llara`` saved; it reads every prompt with vectors.

    Args:
        folder: what was saved.
        config: how the LM reads prompts.
        device: where it computes: auto, cpu, cuda, cuda:1, ...
    """
    backbone, shape = load_backbone(folder, config.precision, device), read_shape(folder)
    made = projector(shape["n_values"], width(backbone))
    vectors = load_virtual_tokens(folder, made)
    return Scorer(with_virtual_tokens(backbone, vectors, made.eval()), config)


class _Curriculum(Trainer):
    """Reads each step with vectors or without; the chance of vectors grows."""

    def __init__(
        self,
        backbone: Backbone,
        configs: SoftConfigs[LLaRAConfig],
        train: LabelledPrompts,
        valid: LabelledPrompts,
        seed: int,
    ):
        super().__init__(backbone, configs.lm, train, valid, seed)
        self._schedule = configs.own.schedule
        self._rng = generator(seed, "llara", "curriculum")
        self._n_steps = -(-len(train.prompts) // (self.config.batch_size * self.config.gradient_accumulation))
        self._n_done = 0
        self._text: Encoded | None = None

    @property
    def chance(self) -> float:
        """The chance that the next step is read with vectors."""
        if self._schedule == "paper":
            return self._n_done / (self._n_steps * self.config.epochs)
        return self._n_done % self._n_steps / self._n_steps / self.config.epochs

    def _encoded(self, epoch: int) -> Encoded:
        hybrid = super()._encoded(epoch)
        first = self.backbone.tokenizer.first_id
        # The same titles without their vectors: what augmentation and budget left is left here too.
        self._text = hybrid._replace(tokens=[row[row < first] for row in hybrid.tokens])
        return hybrid

    def _step(self, rows: Encoded, step: Any) -> float:
        is_hybrid = self._rng.random() < self.chance
        self._n_done += 1
        assert self._text is not None
        return super()._step(rows if is_hybrid else self._text, step)
