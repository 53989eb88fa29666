"""How much the evidence gives away by itself, without any model: the guard against peeking.

If an evidence user is found from what happened after a row, "how many of the K similar users have the
target" tells the training label much better than it tells a test label, and a model learns to trust what will
not be there. The two AUCs therefore stand side by side in every report.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from scorerec.core.columns import BEHAVIOUR_ID, ITEM_ID, ITEM_IDS, LABEL, QUERY_ID, SPLIT, TARGET_ID
from scorerec.core.errors import DataError
from scorerec.core.metrics import auc
from scorerec.core.tables import SPLITS
from scorerec.evaluate.results import Informativeness
from scorerec.evaluate.rows import as_frame

# From this gap on (training AUC minus test AUC), the report warns.
SUSPICIOUS_GAP = 0.05


def evidence_matches(targets: pa.Table, evidence: pa.Table, behaviours: pa.Table) -> pa.Table:
    """Count, for each target, its evidence behaviours and those among them that contain the target item.

    Args:
        targets: TARGETS.
        evidence: CANDIDATES (joined by query_id) or CONTEXTS (joined by target_id).
        behaviours: BEHAVIOURS.

    Returns:
        target_id, split, label, n_evidence i64, n_with_target i64; one row per target, in their order.

    Raises:
        DataError: the evidence names a behaviour that is not there.
    """
    key = TARGET_ID if TARGET_ID in evidence.column_names else QUERY_ID
    wanted = as_frame(targets).select(TARGET_ID, QUERY_ID, ITEM_ID, SPLIT, LABEL)
    shown = as_frame(evidence).select(key, BEHAVIOUR_ID)
    corpus = as_frame(behaviours).select(BEHAVIOUR_ID, ITEM_IDS)
    unknown = shown.join(corpus, on=BEHAVIOUR_ID, how="anti")
    if unknown.height:
        raise DataError(
            f"evidence: behaviour {unknown[BEHAVIOUR_ID][0]!r} is not in the behaviours given; "
            "give the tables of the same run"
        )
    used = corpus.join(shown, on=BEHAVIOUR_ID, how="semi")
    contains = used.explode(ITEM_IDS, empty_as_null=False).rename({ITEM_IDS: "item_id"}).unique()
    pairs = wanted.select(TARGET_ID, QUERY_ID, ITEM_ID).unique(TARGET_ID).join(shown, on=key)
    n_evidence = pairs.group_by(TARGET_ID).agg(pl.len().cast(pl.Int64).alias("n_evidence"))
    with_target = pairs.join(contains, on=[BEHAVIOUR_ID, ITEM_ID], how="semi")
    n_with_target = with_target.group_by(TARGET_ID).agg(pl.len().cast(pl.Int64).alias("n_with_target"))
    counted = wanted.join(n_evidence, on=TARGET_ID, how="left", maintain_order="left").join(
        n_with_target, on=TARGET_ID, how="left", maintain_order="left"
    )
    counts = counted.with_columns(pl.col("n_evidence", "n_with_target").fill_null(0))
    return counts.select(TARGET_ID, SPLIT, LABEL, "n_evidence", "n_with_target").to_arrow()


def evidence_informativeness(
    targets: pa.Table, evidence: pa.Table, behaviours: pa.Table, name: str
) -> list[Informativeness]:
    """Return the AUC of two features of the evidence alone, in each split that has labelled targets.

    Args:
        targets: TARGETS.
        evidence: CANDIDATES or CONTEXTS.
        behaviours: BEHAVIOURS.
        name: what the evidence is called in the report, such as "candidates (K_e = 10)".

    Raises:
        DataError: the evidence names a behaviour that is not there.
    """
    counts = as_frame(evidence_matches(targets, evidence, behaviours)).filter(pl.col(LABEL).is_not_null())
    share = pl.col("n_with_target") / pl.max_horizontal("n_evidence", 1)
    features = {
        "how many contain the target": pl.col("n_with_target").cast(pl.Float64),
        "share that contains the target": share,
    }
    results = []
    for feature, expression in features.items():
        for split in SPLITS:
            rows = counts.filter(pl.col(SPLIT) == split).with_columns(expression.alias("feature"))
            if rows.height:
                results.append(_informativeness(rows, name, feature, split))
    return results


def _informativeness(rows: pl.DataFrame, name: str, feature: str, split: str) -> Informativeness:
    labels = rows[LABEL].to_numpy()
    both = 0 < labels.sum() < len(labels)
    return Informativeness(
        evidence=name,
        feature=feature,
        split=split,
        n_rows=rows.height,
        n_without=rows.filter(pl.col("n_evidence") == 0).height,
        auc=auc(labels, rows["feature"].to_numpy()) if both else None,
        reason=None if both else "all rows have one label",
    )
