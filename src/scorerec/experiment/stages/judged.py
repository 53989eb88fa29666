"""The rows that methods are judged on: validation and test targets, each with its user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from scorerec.core.tables import SCORES

JUDGED = ("valid", "test")


def with_users(targets: pa.Table, queries: pa.Table) -> pa.Table:
    """Return the targets with the ``user_id`` of their query, in the order of ``targets``."""
    users = dict(zip(queries["query_id"].to_pylist(), queries["user_id"].to_pylist(), strict=True))
    return targets.append_column("user_id", pa.array([users[query] for query in targets["query_id"].to_pylist()]))


def with_method(scores: pa.Table, method: str) -> pa.Table:
    """Return scores with the key of who gave them."""
    return scores.append_column("method", pa.array([method] * scores.num_rows, pa.string()))


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
                "target_id": targets["target_id"],
                "method": pa.array([method] * n_rows, pa.string()),
                "p_yes": pa.array(np.asarray(p_yes, dtype=np.float64)),
                "n_tokens": pa.nulls(n_rows, pa.int32()),
            }
        )
    )
