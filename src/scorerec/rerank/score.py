"""Step 2 of the recommendation: the K_s most useful of the candidates, for each target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scorerec.core.columns import BEHAVIOUR_ID, QUERY_ID, RANK, TARGET_ID
from scorerec.core.errors import DataError
from scorerec.core.tables import CANDIDATES, CONTEXTS, TARGETS
from scorerec.rerank.prompts import texts_of

if TYPE_CHECKING:
    from scorerec.rerank.models import Reranker


def rerank(
    prompts: pa.Table,
    targets: pa.Table,
    candidates: pa.Table,
    behaviour_texts: Mapping[str, str],
    reranker: Reranker,
    n_context_users: int,
) -> pa.Table:
    """Choose the context of each target.

    Args:
        prompts: PROMPTS, P^b of each target.
        targets: TARGETS.
        candidates: CANDIDATES of their queries.
        behaviour_texts: behaviour_id -> d(H(u)).
        reranker: SARE, or any other.
        n_context_users: K_s.

    Returns:
        CONTEXTS, the best first, a tie going to the better candidate; in the order of ``targets``. A target
        whose query has fewer candidates gets them all.

    Raises:
        DataError: a target has no prompt, or a behaviour no text.
    """
    found = _by_query(candidates)
    asked = TARGETS.check(targets)
    pairs = [
        (target_id, behaviour_id)
        for target_id, query_id in zip(asked[TARGET_ID].to_pylist(), asked[QUERY_ID].to_pylist(), strict=True)
        for behaviour_id in found.get(query_id, ())
    ]
    texts = texts_of(reranker.reader.read(prompts))
    try:
        left = [texts[target_id] for target_id, _ in pairs]
        right = [behaviour_texts[behaviour_id] for _, behaviour_id in pairs]
    except KeyError as error:
        raise DataError(f"rerank: no text for {error.args[0]!r}; it has to be in the prompts or behaviours") from None
    scores = reranker.score(left, right)
    return _choose(pairs, scores, n_context_users)


def _by_query(candidates: pa.Table) -> dict[str, list[str]]:
    ordered = CANDIDATES.check(candidates).sort_by([(QUERY_ID, "ascending"), (RANK, "ascending")])
    found: dict[str, list[str]] = {}
    for query_id, behaviour_id in zip(ordered[QUERY_ID].to_pylist(), ordered[BEHAVIOUR_ID].to_pylist(), strict=True):
        found.setdefault(query_id, []).append(behaviour_id)
    return found


def _choose(pairs: list[tuple[str, str]], scores: np.ndarray, n_context_users: int) -> pa.Table:
    """Keep the best of each run of pairs with the same target."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for (target_id, behaviour_id), score in zip(pairs, scores.tolist(), strict=True):
        groups.setdefault(target_id, []).append((behaviour_id, score))
    rows = [
        (target_id, rank, behaviour_id, score)
        for target_id, group in groups.items()
        for rank, (behaviour_id, score) in enumerate(
            sorted(group, key=lambda pair: -pair[1])[:n_context_users],
            start=1,  # stable: ties keep their order
        )
    ]
    names = CONTEXTS.columns.names
    chosen = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], CONTEXTS.columns)
    return CONTEXTS.check(chosen)
