"""CAR, the collaborative retriever: a text encoder that learns which users a CRM finds alike (Eq. 5-6)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sentence_transformers import SentenceTransformer

from scorerec.core.artifacts import CHECKPOINT
from scorerec.core.errors import DataError
from scorerec.core.randomness import derived_seed, generator
from scorerec.nn.contrastive import EncoderTask, Example
from scorerec.nn.devices import choose_device
from scorerec.nn.encoders import count_truncated, encode, load_encoder
from scorerec.nn.fine_tuning import fine_tune
from scorerec.retrieve.anchors import Anchor, read_anchors
from scorerec.retrieve.config import CARConfig
from scorerec.retrieve.neighbours import top_k

_log = logging.getLogger(__name__)


def train_car(
    texts: Mapping[str, str],
    neighbours: pa.Table,
    config: CARConfig,
    out: Path,
    seed: int,
    device: str = "auto",
) -> dict[str, Any]:
    """Tune the retriever, save it, and measure it on users that it has not seen.

    Held-out users are neither anchors nor anybody's positives. The recall is that of their CRM neighbours
    among the behaviours that the retriever finds nearest.

    Args:
        texts: behaviour_id -> d(H(u)), the behaviours that may be found.
        neighbours: NEIGHBOURS (Eq. 4), and those of ``anchors.prefix_neighbours`` where prefixes teach too.
        config: how.
        out: folder that becomes a sentence-transformers model, for ``nn.encoders.load_encoder``.
        seed: decides who is held out, and the order of training.
        device: where it computes: auto, cpu, cuda, cuda:1, ...

    Returns:
        Facts: counts, mean loss of each epoch, recall tuned and untuned, warnings.

    Raises:
        ConfigError: there is no such device.
        DataError: a behaviour has no text, or nobody is left to learn from.
        ModelError: the encoder cannot be loaded, or its loss is not a number.
    """
    encoder = load_encoder(config.model, config.max_length, str(choose_device(device)))
    anchors = read_anchors(neighbours, texts)
    held_out = _held_out_users(anchors, config.held_out, seed)
    examples = _examples(anchors, held_out)
    if not examples:
        raise DataError(f"CAR: none of {len(anchors)} anchors has a neighbour to learn from; lower car.held_out")
    judged = {name: anchor for name, anchor in anchors.items() if anchor.user_id in held_out}
    untuned = recall(encoder, judged, anchors, texts, config.recall_at)
    task = EncoderTask(texts, config.temperature, in_batch_negatives=True)
    losses = fine_tune(encoder, task, examples, config, derived_seed(seed, "car"), out / CHECKPOINT)
    tuned = recall(encoder, judged, anchors, texts, config.recall_at)
    out.mkdir(parents=True, exist_ok=True)
    encoder.save(str(out), create_model_card=False)
    n_truncated = count_truncated(encoder, list(texts.values()))
    return {
        "n_behaviours": len(texts),
        "n_anchors": len(examples),
        "n_held_out_users": len(held_out),
        "n_truncated": n_truncated,
        "losses": losses,
        f"recall_at_{config.recall_at}": {"untuned": untuned, "tuned": tuned},
        "warnings": _warnings(untuned, tuned, n_truncated),
    }


def recall(
    encoder: SentenceTransformer,
    judged: Mapping[str, Anchor],
    anchors: Mapping[str, Anchor],
    texts: Mapping[str, str],
    k: int,
) -> dict[str, float]:
    """Return the mean share of an anchor's CRM neighbours among its ``k`` nearest behaviours of other users.

    Args:
        encoder: finds the nearest.
        judged: the anchors that are asked about.
        anchors: all of them; they say whose behaviour is whose.
        texts: behaviour_id -> d(H(u)), all behaviours.
        k: how many are found.

    Returns:
        ``final`` and ``prefixes`` apart, each where there are any.
    """
    behaviour_ids = list(texts)
    vectors = encode(encoder, list(texts.values()))  # (N, d)
    owners = [anchors[name].user_id if name in anchors else name for name in behaviour_ids]
    result = {}
    for kind, is_prefix in (("final", False), ("prefixes", True)):
        group = [anchor for anchor in judged.values() if anchor.is_prefix == is_prefix]
        if not group:
            continue
        queries = encode(encoder, [anchor.text for anchor in group])
        asked = [anchor.user_id for anchor in group]
        found, _ = top_k(queries, vectors, k, query_owner=asked, corpus_owner=owners)
        shares = [
            len({behaviour_ids[index] for index in row if index >= 0} & set(anchor.neighbours)) / len(anchor.neighbours)
            for row, anchor in zip(found, group, strict=True)
        ]
        result[kind] = float(np.mean(shares))
    return result


def _held_out_users(anchors: Mapping[str, Anchor], share: float, seed: int) -> frozenset[str]:
    users = sorted({anchor.user_id for anchor in anchors.values()})
    chosen = generator(seed, "car", "held out").permutation(len(users))[: round(share * len(users))]
    return frozenset(users[index] for index in chosen)


def _examples(anchors: Mapping[str, Anchor], held_out: Collection[str]) -> list[Example]:
    """Return the anchors with their positives.

    An anchor's neighbours and its user's own behaviours are never its negatives.
    """
    owners = {name: anchor.user_id for name, anchor in anchors.items()}
    own: dict[str, list[str]] = {}
    for name, user_id in owners.items():
        own.setdefault(user_id, []).append(name)
    examples = []
    for anchor in anchors.values():
        positives = tuple(name for name in anchor.neighbours if owners.get(name, name) not in held_out)
        if positives and anchor.user_id not in held_out:
            excluded = frozenset((*anchor.neighbours, *own[anchor.user_id]))
            examples.append(Example(anchor.text, positives, excluded=excluded))
    return examples


def _warnings(untuned: Mapping[str, float], tuned: Mapping[str, float], n_truncated: int) -> list[str]:
    warnings = [
        f"CAR is worse than the encoder it started from: held-out recall ({kind}) {tuned[kind]:.3f}, "
        f"untuned {untuned[kind]:.3f}; change car.learning_rate or car.epochs"
        for kind in tuned
        if tuned[kind] < untuned[kind]
    ]
    if n_truncated:
        warnings.append(
            f"{n_truncated} behaviours are longer than the encoder reads and lose their newest titles; "
            "show it fewer titles (prompt.behaviour_titles)"
        )
    for warning in warnings:
        _log.warning(warning)
    return warnings
