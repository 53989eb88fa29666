"""What a run took: seconds and tokens of each stage, what 1,000 scores cost, and how each training went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow.compute as pc

from scorerec.assess.assessor import Tokens
from scorerec.core.artifacts import Artifact
from scorerec.core.tables import SCORES
from scorerec.evaluate.plots import Curve
from scorerec.evaluate.tables import NONE, TableRow, number, seconds
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import Method
from scorerec.experiment.stage import ancestors

_SELECTED_BY = (("valid_ndcg@20", "NDCG@20"), ("valid_auc", "AUC"))


def method_seconds(artifacts: Mapping[str, Artifact], methods: Iterable[Method]) -> dict[str, float]:
    """Return the seconds of training and scoring of each method, shared stages counted for each."""
    reads = {name: artifact.manifest["inputs"] for name, artifact in artifacts.items()}
    return {
        method.key: sum(float(artifacts[stage].manifest["seconds"]) for stage in ancestors(method.stage, reads))
        for method in methods
    }


def stage_rows(artifacts: Mapping[str, Artifact], config: ExperimentConfig) -> list[TableRow]:
    """Return one row per stage: seconds, tokens read and written, and money where prices are configured.

    CPU seconds are those of the process that finished the stage; artifacts of before have none.
    """
    rows = []
    for name, artifact in artifacts.items():
        read, written = _tokens(artifact)
        row = {
            "stage": name,
            "seconds": seconds(float(artifact.manifest["seconds"])),
            "CPU seconds": seconds(artifact.manifest.get("cpu_seconds")),
            "tokens read": _count(read),
            "tokens written": _count(written),
        }
        if config.assess.prices is not None:
            is_paid = name == "assessments"
            row["money"] = number(config.assess.prices.of(Tokens(read or 0, written or 0))) if is_paid else NONE
        rows.append(row)
    return rows


def cost_rows(artifacts: Mapping[str, Artifact], methods: Iterable[Method]) -> list[TableRow]:
    """Return one row per method: seconds of everything but scoring, and what 1,000 scores take."""
    chosen = list(methods)
    total = method_seconds(artifacts, chosen)
    rows = []
    for method in chosen:
        artifact = artifacts[method.stage]
        own = artifact.table(SCORES)
        own = own.filter(pc.equal(own["method"], method.key))
        # Stages such as the references score several methods at once, and train them too.
        is_scoring = bool(method.stages)
        took = float(artifact.manifest["seconds"]) if is_scoring else 0.0
        tokens = pc.mean(own["n_tokens"]).as_py()
        rows.append(
            {
                "method": method.label,
                "training, s": seconds(total[method.key] - took),
                "scoring, s per 1,000": number(1000 * took / own.num_rows, 2) if is_scoring else NONE,
                "tokens per score": NONE if not tokens else number(tokens, 1),
                "tokens per 1,000 scores": NONE if not tokens else f"{1000 * tokens:,.0f}",
            }
        )
    return rows


def training_curves(artifacts: Mapping[str, Artifact]) -> list[Curve]:
    """Return how every training of a run went, in the order of the stages."""
    found = [_curve(name, artifact.facts) for name, artifact in artifacts.items()]
    return [curve for curve in found if curve is not None]


def _curve(name: str, facts: Mapping[str, Any]) -> Curve | None:
    if curve := facts.get("curve"):
        # Where likes were ranked, the epoch was chosen by that.
        key, measure = next(pair for pair in _SELECTED_BY if pair[0] in curve[0])
        return Curve(name, [entry["loss"] for entry in curve], [entry[key] for entry in curve], measure)
    losses = facts.get("training_losses") or facts.get("losses")
    return Curve(name, losses, facts.get("validation_aucs", ())) if losses else None


def _tokens(artifact: Artifact) -> tuple[int | None, int | None]:
    """Return the tokens that models read and wrote in a stage; None where it says nothing of them."""
    facts = artifact.facts
    if "tokens_in" in facts:
        return facts["tokens_in"], facts["tokens_out"]
    if "tokens_read" in facts:
        return facts["tokens_read"], None
    if "mean_tokens" in facts:
        passes = facts.get("rows_seen") or facts["training_rows"]
        return round(facts["mean_tokens"] * passes), None
    if SCORES.name in artifact.manifest["rows"]:
        return pc.sum(artifact.table(SCORES)["n_tokens"]).as_py() or None, None
    return None, None


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"
