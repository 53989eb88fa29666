"""What a text model learns from: anchors, their candidates, and InfoNCE over the two.

Two tasks share one form. ``EncoderTask`` encodes anchors and candidates apart and compares them by cosine
(CAR; SARE as Eq. 10 writes it). ``PairTask`` reads anchor and candidate together (SARE as a cross-encoder).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from torch import Tensor, nn
from torch.nn.functional import normalize

from scorerec.core.errors import DataError
from scorerec.nn.losses import MASKED, NEGATIVE, POSITIVE, contrastive_loss


class Example(NamedTuple):
    """One anchor and the candidates it is compared with.

    Attributes:
        anchor: its text.
        positives: ids of the candidates that belong to it.
        negatives: ids of the candidates that were drawn for it and do not belong to it.
        excluded: ids that must not be its in-batch negatives.
    """

    anchor: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Batches:
    """Turns row numbers into one batch: the trainer's collator.

    Attributes:
        examples: what the row numbers stand for.
        collate: examples -> batch, with the relation of anchors and candidates as ``label``.
    """

    examples: Sequence[Example]
    collate: Callable[[Sequence[Example]], dict[str, Any]]
    valid_label_columns = ("label",)  # the trainer asks for it

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """Return the batch of the rows ``{"row": number}``."""
        return self.collate([self.examples[row["row"]] for row in rows])


@dataclass(frozen=True)
class EncoderTask:
    """Anchors and candidates encoded apart, compared by cosine.

    Attributes:
        texts: candidate id -> text.
        temperature: of InfoNCE.
        in_batch_negatives: whether another anchor's candidates are negatives too.
    """

    texts: Mapping[str, str]
    temperature: float
    in_batch_negatives: bool

    def batches(self, model: SentenceTransformer, examples: Sequence[Example]) -> Batches:
        """Return the collator of ``examples``."""

        def collate(batch: Sequence[Example]) -> dict[str, Any]:
            # A candidate that several anchors share is encoded once, and is one negative.
            candidates = sorted({name for one in batch for name in (*one.positives, *one.negatives)})
            columns = {
                "anchor": [one.anchor for one in batch],
                "candidate": [self.texts[name] for name in candidates],
            }
            inputs: dict[str, Any] = {"label": self.relation(batch, candidates)}
            for column, texts in columns.items():
                for name, value in model.preprocess(texts).items():
                    inputs[f"{column}_{name}"] = value
            return inputs

        return Batches(examples, collate)

    def relation(self, batch: Sequence[Example], candidates: Sequence[str]) -> Tensor:
        """Return what each candidate is to each anchor: POSITIVE, NEGATIVE or MASKED, (A, C) int64."""
        other = NEGATIVE if self.in_batch_negatives else MASKED
        rows = []
        for example in batch:
            known = dict.fromkeys(example.excluded, MASKED)
            known |= dict.fromkeys(example.negatives, NEGATIVE)
            known |= dict.fromkeys(example.positives, POSITIVE)
            rows.append([known.get(candidate, other) for candidate in candidates])
        return torch.tensor(rows)

    def loss(self, model: SentenceTransformer) -> nn.Module:
        """Return the loss that the trainer calls."""
        return _EncoderLoss(model, self.temperature)


@dataclass(frozen=True)
class PairTask:
    """Anchor and candidate read together, scored between 0 and 1, against the anchor's own candidates only.

    Attributes:
        texts: candidate id -> text.
        temperature: of InfoNCE.
    """

    texts: Mapping[str, str]
    temperature: float

    def batches(self, model: CrossEncoder, examples: Sequence[Example]) -> Batches:  # noqa: ARG002
        """Return the collator of ``examples``; the texts stay texts, the loss joins them into pairs."""

        def collate(batch: Sequence[Example]) -> dict[str, Any]:
            if len({(len(one.positives), len(one.negatives)) for one in batch}) != 1:
                raise DataError("a cross-encoder's examples need the same number of candidates each")
            names = [(one.anchor, name) for one in batch for name in (*one.positives, *one.negatives)]
            relation = [[POSITIVE] * len(one.positives) + [NEGATIVE] * len(one.negatives) for one in batch]
            return {
                "pairs": [(anchor, self.texts[name]) for anchor, name in names],
                "label": torch.tensor(relation),
            }

        return Batches(examples, collate)

    def loss(self, model: CrossEncoder) -> nn.Module:
        """Return the loss that the trainer calls."""
        return _PairLoss(model, self.temperature)


class _EncoderLoss(nn.Module):
    def __init__(self, model: SentenceTransformer, temperature: float):
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, features: Sequence[dict[str, Tensor]], labels: Tensor) -> Tensor:
        anchors, candidates = (normalize(self.model(part)["sentence_embedding"].float(), dim=-1) for part in features)
        return contrastive_loss(anchors @ candidates.T, labels, self.temperature)  # (A, C)


class _PairLoss(nn.Module):
    def __init__(self, model: CrossEncoder, temperature: float):
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(
        self,
        features: Sequence[Sequence[tuple[str, str]]],
        labels: Tensor,
        prompt: str | None = None,
        task: str | None = None,
    ) -> Tensor:
        device = self.model.device
        inputs = self.model.preprocess(list(features[0]), prompt=prompt, task=task)
        inputs = {name: part.to(device) if isinstance(part, Tensor) else part for name, part in inputs.items()}
        # Raw logits over a temperature of 0.02 saturate; the sigmoid bounds them as a cosine is bounded.
        scores = torch.sigmoid(self.model(inputs)["scores"].float())
        labels = labels.to(device)
        return contrastive_loss(scores.view(labels.shape), labels, self.temperature)  # (A, C)
