"""The rows that methods are judged on: validation and test targets, each with its user; and any targets' prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import METHOD, N_TOKENS, P_YES, QUERY_ID, TARGET_ID, USER_ID
from scorerec.core.tables import SCORES

JUDGED = ("valid", "test")


def with_users(targets: pa.Table, queries: pa.Table) -> pa.Table:
    """Return the targets with the ``user_id`` of their query, in the order of ``targets``."""
    users = dict(zip(queries[QUERY_ID].to_pylist(), queries[USER_ID].to_pylist(), strict=True))
    return targets.append_column(USER_ID, pa.array([users[query] for query in targets[QUERY_ID].to_pylist()]))


def prompts_of(target_ids: pa.ChunkedArray, prompts: pa.Table) -> pa.Table:
    """Return the PROMPTS of some targets, in the order of ``target_ids``."""
    return prompts.take(pc.index_in(target_ids, prompts[TARGET_ID].combine_chunks()))


def with_method(scores: pa.Table, method: str) -> pa.Table:
    """Return scores with the key of who gave them."""
    return scores.append_column(METHOD, pa.array([method] * scores.num_rows, pa.string()))


def score_table(targets: pa.Table, method: str, p_yes: Sequence[float] | np.ndarray) -> pa.Table:
    """Return SCORES of a method that reads no tokens.

    Args:
        targets: TARGETS, N rows.
        method: what the scores are called.
        p_yes: probability of Yes of each target, (N,).
    """
    n_rows = targets.num_rows
    return SCORES.check(
        pa.table(
            {
                TARGET_ID: targets[TARGET_ID],
                METHOD: pa.array([method] * n_rows, pa.string()),
                P_YES: pa.array(np.asarray(p_yes, dtype=np.float64)),
                N_TOKENS: pa.nulls(n_rows, pa.int32()),
            }
        )
    )
