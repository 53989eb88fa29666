"""Seconds and tokens of stages and methods, by hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from scorerec.core.artifacts import Artifact, ArtifactStore
from scorerec.core.tables import SCORES
from scorerec.evaluate.plots import Curve
from scorerec.experiment.config import load_experiment
from scorerec.experiment.methods import Method
from scorerec.experiment.stage import Stage
from scorerec.experiment.stages.expenses import cost_rows, stage_rows, training_curves


def artifact(
    root: Path,
    stage: str,
    seconds: float,
    facts: dict[str, object],
    scores: pa.Table | None = None,
    reads: tuple[str, ...] = (),
) -> Artifact:
    store = ArtifactStore(root)
    with store.write(stage, {"inputs": dict.fromkeys(reads, "")}) as draft:
        draft.facts.update(facts)
        if scores is not None:
            draft.write(SCORES, scores)
    (path,) = [path for path in (root / stage).iterdir() if path.is_dir()]
    found = store.find(stage, path.name)
    assert found is not None
    found.amend(seconds=seconds, cpu_seconds=seconds / 2)
    again = store.find(stage, path.name)
    assert again is not None
    return again


def scores(method: str, n_tokens: list[int | None]) -> pa.Table:
    names = [f"t{number}" for number in range(len(n_tokens))]
    columns = {"target_id": names, "method": [method] * len(names), "p_yes": [0.5] * len(names)}
    return pa.table({**columns, "n_tokens": pa.array(n_tokens, pa.int32())})


def test_seconds_and_tokens_of_stages_and_methods(tmp_path: Path) -> None:
    made = {
        "references": artifact(tmp_path, "references", 3.0, {}, scores("item-mean", [None, None])),
        "assessments": artifact(tmp_path, "assessments", 9.0, {"tokens_in": 1_000_000, "tokens_out": 500_000}),
        "tuned-llm": artifact(
            tmp_path, "tuned-llm", 60.0, {"mean_tokens": 30.0, "rows_seen": 200, "training_rows": 100}
        ),
        "scores-llm": artifact(tmp_path, "scores-llm", 2.0, {}, scores("llm", [40, 50]), ("data", "tuned-llm")),
    }
    config = load_experiment("ml-1m-toy", ["assess.price_in=2.0", "assess.price_out=8.0"])
    stages = {row["stage"]: row for row in stage_rows(made, config)}
    assert stages["assessments"] == {
        "stage": "assessments",
        "seconds": "9.0",
        "CPU seconds": "4.5",
        "tokens read": "1,000,000",
        "tokens written": "500,000",
        "money": "6.0000",
    }
    assert stages["tuned-llm"]["tokens read"] == "6,000"
    assert stages["scores-llm"]["tokens read"] == "90"
    assert (stages["references"]["tokens read"], stages["references"]["money"]) == ("–", "–")
    assert "money" not in stage_rows(made, load_experiment("ml-1m-toy"))[0]

    methods = [
        Method("item-mean", "item mean", "reference", scores="references"),
        Method("llm", "LLM", "llm", (Stage("scores-llm", (), (), ""),)),
    ]
    reference, llm = cost_rows(made, methods)
    assert (reference["training, s"], reference["scoring, s per 1,000"]) == ("3.0", "–")
    assert (llm["training, s"], llm["scoring, s per 1,000"]) == ("60", "1000.00")
    assert (llm["tokens per score"], llm["tokens per 1,000 scores"]) == ("45.0", "45,000")


def test_every_training_has_a_curve_of_what_it_was_selected_by(tmp_path: Path) -> None:
    epoch = {"epoch": 1, "loss": 0.7, "valid_auc": 0.6}
    made = {
        "data": artifact(tmp_path, "data", 1.0, {"rows_read": 3}),
        "crm": artifact(tmp_path, "crm", 1.0, {"curve": [{**epoch, "valid_ndcg@20": 0.1}]}),
        "crm-bce": artifact(tmp_path, "crm-bce", 1.0, {"curve": [epoch]}),
        "car": artifact(tmp_path, "car", 1.0, {"losses": [3.0, 2.0]}),
        "tuned-llm": artifact(tmp_path, "tuned-llm", 1.0, {"training_losses": [1.0], "validation_aucs": [0.5]}),
    }
    assert training_curves(made) == [
        Curve("crm", [0.7], [0.1], "NDCG@20"),
        Curve("crm-bce", [0.7], [0.6], "AUC"),
        Curve("car", [3.0, 2.0], ()),
        Curve("tuned-llm", [1.0], [0.5], "AUC"),
    ]
