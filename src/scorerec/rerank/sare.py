"""SARE, the self-assessing reranker: tuned on rankings that an assessment made (Eq. 10-12)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scorerec.core.artifacts import CHECKPOINT
from scorerec.core.columns import TARGET_ID, USER_ID
from scorerec.core.errors import DataError
from scorerec.core.randomness import derived_seed, generator
from scorerec.nn.contrastive import Example
from scorerec.rerank.models import Reranker
from scorerec.rerank.prompts import texts_of, with_other_targets
from scorerec.rerank.quality import Quality, measure, warnings_about
from scorerec.rerank.sampling import read_rankings, sample_groups
from scorerec.text.segments import Segment

_log = logging.getLogger(__name__)
_JUDGED_CONTEXT_USERS = 2  # K_s of the paper, for the share of contexts that change with the target


def train_sare(
    prompts: pa.Table,
    behaviour_texts: Mapping[str, str],
    rankings: pa.Table,
    reranker: Reranker,
    out: Path,
    seed: int,
) -> dict[str, Any]:
    """Tune the reranker, save it, and measure it on rankings of users that it has not seen.

    Args:
        prompts: PROMPTS, P^b of the ranked targets. With a column ``user_id``, users are held out whole;
            without it, targets are.
        behaviour_texts: behaviour_id -> d(H(u)), already as long as the reranker reads.
        rankings: RANKINGS, the order O of each target's candidates.
        reranker: untuned, as ``load_reranker`` returns it; tuned in place, where it is, as its ``config`` says.
        out: folder for ``load_reranker``.
        seed: decides who is held out, the negatives, and the order of training.

    Returns:
        Facts: counts, loss of each epoch, held-out quality tuned and untuned, warnings.

    Raises:
        DataError: a target has no prompt, a behaviour no text, or no ranking is long enough.
        ModelError: the loss is not a number.
    """
    config = reranker.config
    orders = read_rankings(rankings)
    segments = reranker.reader.read(prompts)
    _check_texts(orders, segments, behaviour_texts)
    held_out = _held_out(prompts, config.held_out, seed)
    learnt = {target_id: order for target_id, order in orders.items() if target_id not in held_out}
    sampled = sample_groups(learnt, config.shift, config.n_negatives, seed)
    if not sampled.groups:
        raise DataError(
            f"SARE: none of {len(learnt)} rankings has {config.shift + config.n_negatives} users; raise "
            "evidence.n_candidates, or lower sare.shift or sare.n_negatives"
        )
    texts = texts_of(segments)
    examples = [Example(texts[group.target_id], (group.positive,), group.negatives) for group in sampled.groups]
    judged = {target_id: order for target_id, order in orders.items() if target_id in held_out}
    untuned = _judge(reranker, judged, segments, behaviour_texts, seed)
    losses = reranker.tune(examples, behaviour_texts, derived_seed(seed, "sare"), out / CHECKPOINT)
    tuned = _judge(reranker, judged, segments, behaviour_texts, seed)
    reranker.save(out)
    warnings = warnings_about(tuned, untuned, config.temperature) if tuned and untuned else []
    for warning in warnings:
        _log.warning(warning)
    return {
        "n_rankings": len(orders),
        "n_examples": len(examples),
        "n_too_short": len(sampled.too_short),
        "n_held_out": len(judged),
        "held_out_by": "user" if USER_ID in prompts.column_names else "target",
        "losses": losses,
        "quality": {
            "untuned": untuned._asdict() if untuned else None,
            "tuned": tuned._asdict() if tuned else None,
        },
        "warnings": warnings,
    }


def _held_out(prompts: pa.Table, share: float, seed: int) -> frozenset[str]:
    """Return the targets that only judge."""
    target_ids = prompts[TARGET_ID].to_pylist()
    owners = prompts[USER_ID].to_pylist() if USER_ID in prompts.column_names else target_ids
    users = sorted(set(owners))
    order = generator(seed, "sare", "held out").permutation(len(users))[: round(share * len(users))]
    chosen = {users[index] for index in order}
    return frozenset(target_id for target_id, owner in zip(target_ids, owners, strict=True) if owner in chosen)


def _check_texts(
    orders: Mapping[str, Sequence[str]], segments: Mapping[str, list[Segment]], texts: Mapping[str, str]
) -> None:
    if missing := [target_id for target_id in orders if target_id not in segments]:
        raise DataError(f"SARE: {len(missing)} ranked targets have no prompt, the first is {missing[0]!r}")
    if lost := sorted({name for order in orders.values() for name in order} - set(texts)):
        raise DataError(f"SARE: {len(lost)} ranked behaviours have no text, the first is {lost[0]!r}")


def _judge(
    reranker: Reranker,
    judged: Mapping[str, Sequence[str]],
    segments: Mapping[str, list[Segment]],
    texts: Mapping[str, str],
    seed: int,
) -> Quality | None:
    """Measure on held-out rankings, with the true target and with another; None where nothing is held out."""
    if not judged:
        return None
    own = {target_id: segments[target_id] for target_id in judged}
    found = []
    for prompts in (texts_of(own), texts_of(with_other_targets(own, seed))):
        pairs = [(prompts[target_id], texts[name]) for target_id, order in judged.items() for name in order]
        scores = reranker.score([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        found.append(np.split(scores, np.cumsum([len(order) for order in judged.values()])[:-1]))
    return measure(found[0], found[1], reranker.config.shift, _JUDGED_CONTEXT_USERS)
