"""The last stage: every method on the same rows, how informative the evidence is, and the report."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.artifacts import Draft, package_versions
from scorerec.core.columns import LABEL, N_BEFORE, P_YES, ROW_ID, SCORE, SPLIT, TARGET_ID
from scorerec.core.metrics import Floats
from scorerec.core.tables import (
    CANDIDATES,
    CONTEXTS,
    PROMPTS,
)
from scorerec.evaluate.comparison import REFERENCES, compare
from scorerec.evaluate.examples import EvidenceTables, Example, choose_examples, read_examples
from scorerec.evaluate.health import health_of, health_warnings
from scorerec.evaluate.informativeness import evidence_informativeness
from scorerec.evaluate.plots import (
    Plot,
    calibration_plot,
    histogram_plot,
    roc_plot,
    slice_plot,
    training_plot,
)
from scorerec.evaluate.report import ReportData, render_report
from scorerec.evaluate.results import Comparison, Health, Informativeness
from scorerec.evaluate.rows import JudgedRows, judged_rows
from scorerec.evaluate.slices import LIKED_BEFORE, NAMED, TRAINING_ROWS, Slice, history_and_popularity, warm_and_cold
from scorerec.evaluate.verdict import verdict
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import METHODS
from scorerec.experiment.plan import HEALTH, PAGE, RESULTS, SPEAKING, filled_by, forms_shown, reads_text
from scorerec.experiment.run import Run
from scorerec.experiment.stages.expenses import cost_rows, method_seconds, stage_rows, training_curves
from scorerec.experiment.stages.signal import SARE
from scorerec.experiment.stand_ins import machine, stand_ins
from scorerec.llm.rows import targets_named
from scorerec.pipeline.forms.registry import OPINION, PAPER_FORM


def report(run: Run, draft: Draft) -> None:
    """Put every method, the signal and what the run took on a page."""
    config, inputs = run.config, {name: run.artifact(name) for name in run.artifacts}
    methods = config.chosen_methods
    labels = {method.key: method.label for method in methods}
    scores = [run.scores(method.stage, method.key) for method in methods]
    rows = judged_rows(run.interactions, run.all_targets, scores, config.evaluation.split)
    comparison, signal = _compared(run, rows), run.signal()
    shown, named = comparison.labelled(labels), rows.labelled(labels)
    models = [one.label for one in methods if one.kind == "llm" and one.key != comparison.against]
    health = _health(run, rows)
    healthy = [one.model_copy(update={"method": labels[one.method]}) for one in health]
    # What retrieved users know explains SCORE where it shows what they liked.
    of_users = signal if PAPER_FORM in config.evidence.forms else None
    judged = {*models, shown.against}  # controls and bounds are made to be odd
    data = ReportData(
        title=f"SCORE: {config.name}",
        comparison=shown,
        summary=_summary(run, rows),
        stand_ins=stand_ins(config),
        warnings=[*_warnings(run), *health_warnings(one for one in healthy if one.method in judged)],
        verdict=[
            *verdict(shown, [labels[key] for key in REFERENCES], models, of_users, SARE),
            *_who_knows_more(config),
        ],
        informativeness=_informativeness(run),
        health=healthy,
        signal=signal,
        plots=_plots(run, named, shown),
        stages=stage_rows(inputs, config),
        costs=cost_rows(inputs, methods),
        facts=_said(run),
        configuration=config.model_dump(mode="json"),
        examples=_examples(run, named),
    )
    (draft.path / PAGE).write_text(render_report(data), encoding="utf-8")
    results = {
        "name": config.name,
        "labels": labels,
        "verdict": data.verdict,
        "comparison": comparison.model_dump(mode="json"),
        "health": [one.model_dump(mode="json") for one in health],
        "signal": signal.model_dump(mode="json"),
        "warnings": data.warnings,
        "informativeness": [entry.model_dump(mode="json") for entry in data.informativeness],
        "stand_ins": data.stand_ins,
        "facts": data.facts,
        "seconds": {name: artifact.manifest["seconds"] for name, artifact in inputs.items()},
        "packages": package_versions(),
        "machine": machine(config.threads),
    }
    (draft.path / RESULTS).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _compared(run: Run, rows: JudgedRows) -> Comparison:
    named = targets_named(run.table("prompts-score", PROMPTS), run.config.llm.budget)
    is_named = np.array([target in named for target in rows.target_ids], bool)
    slices = [*warm_and_cold(rows, run.interactions), *_history_and_popularity(run, rows)]
    slices += [Slice(NAMED, is_named)] if is_named.any() else []
    seconds = method_seconds(run.artifacts, run.config.chosen_methods)
    n_resamples = run.config.evaluation.n_resamples
    return compare(rows, "score", slices=slices, seconds=seconds, n_resamples=n_resamples, seed=run.config.seed)


def _health(run: Run, rows: JudgedRows) -> list[Health]:
    """Measure the methods that read text."""
    found = []
    for method in (one for one in run.config.chosen_methods if reads_text(one.stage)):
        stage = HEALTH.get(method.stage)
        moves = run.moves(stage.name) if stage is not None and stage.name in run.artifacts else None
        told = told_probabilities(run, method.stage, rows)
        found.append(health_of(rows, method.key, REFERENCES[0], moves, told))
    return found


def told_probabilities(run: Run, stage: str, rows: JudgedRows) -> Floats | None:
    """Return the probabilities that prompts tell of rows, (N,); None where they tell none.

    Args:
        run: with what its opinions tell.
        stage: that scores the prompts.
        rows: that are judged, N of them.
    """
    source = filled_by(stage, OPINION)
    if source is None or OPINION not in forms_shown(stage, run.config.evidence.forms):
        return None
    scores = run.scores(source, run.config.opinion.model)
    told = dict(zip(scores[TARGET_ID].to_pylist(), scores[P_YES].to_pylist(), strict=True))
    return np.array([told[name] for name in rows.target_ids], np.float64)


def _warnings(run: Run) -> list[str]:
    """Return what any part of the run warns of, each once."""
    of_parts = (line for facts in _said(run).values() for line in facts.get("warnings", ()))
    return list(dict.fromkeys([*run.signal().warnings, *of_parts]))


def _said(run: Run) -> dict[str, dict[str, Any]]:
    """Return what each part of the run that there is says of itself."""
    return {name: run.artifact(name).facts for name in SPEAKING if name in run.artifacts}


def _history_and_popularity(run: Run, rows: JudgedRows) -> list[Slice]:
    interactions, targets = run.interactions, run.all_targets
    liked_before = dict(zip(interactions[ROW_ID].to_pylist(), interactions[N_BEFORE].to_pylist(), strict=True))
    of_target = dict(zip(targets[TARGET_ID].to_pylist(), targets[ROW_ID].to_pylist(), strict=True))
    n_before = np.array([liked_before[of_target[target_id]] for target_id in rows.target_ids], np.int64)
    return history_and_popularity(rows, interactions, n_before)


def _plots(run: Run, rows: JudgedRows, comparison: Comparison) -> list[Plot]:
    """Draw the curves; of many methods, those that learn from text or behaviour, and the two references."""
    methods = [one for one in run.config.chosen_methods if one.key in REFERENCES or one.kind in ("conventional", "llm")]
    drawn = [method.label for method in methods]
    models = [method.label for method in methods if method.key not in REFERENCES]
    by_part = [slice_plot(comparison.slices, name, drawn) for name in (LIKED_BEFORE, TRAINING_ROWS)]
    return [
        roc_plot(rows, drawn),
        calibration_plot(rows, drawn),
        *(plot for plot in by_part if plot is not None),
        histogram_plot(rows, models),
        training_plot(training_curves(run.artifacts)),
    ]


def _informativeness(run: Run) -> list[Informativeness]:
    """Measure the evidence of SCORE, and that of its variants: a CRM that was fitted to the rows may give them away."""
    counts = run.config.evidence
    of_name = {
        f"candidates (K_e = {counts.n_candidates})": run.table("candidates", CANDIDATES),
        f"contexts (K_s = {counts.n_context_users})": run.table("contexts", CONTEXTS),
    }
    for method in run.config.chosen_methods:
        for stage in (one for one in method.stages if CONTEXTS.name in one.writes and one.name in run.artifacts):
            of_name[f"contexts of {method.label}"] = run.table(stage.name, CONTEXTS)
    return [
        entry
        for name, found in of_name.items()
        for entry in evidence_informativeness(run.all_targets, found, run.behaviours, name)
    ]


def _who_knows_more(config: ExperimentConfig) -> list[str]:
    """Say where a table compares methods that do not know the same."""
    if not config.evidence.own_dislikes:
        return []
    return [
        "SCORE and the rows on counts may know here what users did not like (evidence.own_dislikes), and the item + "
        "user mean does; where another row reads likes alone, some of the difference is that"
    ]


def _summary(run: Run, rows: JudgedRows) -> dict[str, str]:
    config, notes = run.config, run.artifact("data").facts
    return {
        "data": str(notes["source"]),
        "split": f"{notes[SPLIT]}; judged on {rows.split}",
        "label": str(notes[LABEL]),
        "rows": f"{len(rows.labels):,} of {len(set(rows.user_ids)):,} users",
        "corpus of behaviours": config.corpus.kind,
        "language model": run.artifact("tuned-score").facts["backbone"],
        "seed": str(config.seed),
        "machine": machine(config.threads),
        "date": datetime.now(UTC).date().isoformat(),
        "packages": ", ".join(f"{name} {version}" for name, version in package_versions().items()),
    }


def _examples(run: Run, rows: JudgedRows) -> list[Example]:
    chosen = choose_examples(rows, METHODS[SCORE].label, run.config.evaluation.n_examples)
    prompts = run.table("prompts-score", PROMPTS)
    mine = prompts.filter(pc.is_in(prompts[TARGET_ID], pa.array(chosen, pa.string())))
    tables = EvidenceTables(
        run.all_targets,
        run.queries,
        run.behaviours,
        run.table("candidates", CANDIDATES),
        run.table("contexts", CONTEXTS),
        run.lm("tuned-score").as_read(mine),
        {item: run.prompter.describer.title(item) for item in run.item_ids},
    )
    return read_examples(tables, rows, chosen)
