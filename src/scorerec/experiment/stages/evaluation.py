"""The last stage: every method on the same rows, how informative the evidence is, and the report."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.baselines.registry import BASELINES
from scorerec.core.artifacts import Draft, package_versions
from scorerec.core.tables import (
    BEHAVIOURS,
    CANDIDATES,
    CONTEXTS,
    INTERACTIONS,
    ITEMS,
    PROMPTS,
    QUERIES,
    SCORES,
    SEGMENT,
    TARGETS,
)
from scorerec.evaluate.comparison import REFERENCES, compare
from scorerec.evaluate.examples import EvidenceTables, Example, choose_examples, read_examples
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
from scorerec.evaluate.results import Comparison, Informativeness
from scorerec.evaluate.rows import JudgedRows, judged_rows
from scorerec.evaluate.slices import LIKED_BEFORE, TRAINING_ROWS, Slice, history_and_popularity, warm_and_cold
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import SCORE
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.expenses import cost_rows, method_seconds, stage_rows, training_curves
from scorerec.experiment.stages.parts import model_folder
from scorerec.experiment.stages.signal import read_signal
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import Scorer
from scorerec.text.segments import to_rows

RESULTS = "results.json"
PAGE = "report.html"
_REPORTING = ("data", "crm", "neighbours", "car", "assessments", "sare", "backbone", "tuned-llm", "tuned-score")


def _report(context: Context, draft: Draft) -> None:
    config, inputs = context.config, context.inputs
    interactions, targets = inputs["data"].table(INTERACTIONS), inputs["corpus"].table(TARGETS)
    rows = judged_rows(interactions, targets, _scores(context), config.evaluation.split)
    comparison = compare(
        rows,
        SCORE,
        slices=[*warm_and_cold(rows, interactions), *_history_and_popularity(rows, interactions, targets)],
        seconds=method_seconds(inputs, config.chosen_methods),
        n_resamples=config.evaluation.n_resamples,
        seed=config.seed,
    )
    informativeness = _informativeness(context, targets)
    signal = read_signal(inputs["signal"].path)
    facts = {name: inputs[name].facts for name in _REPORTING}
    told = [*signal.warnings, *(line for part in facts.values() for line in part.get("warnings", ()))]
    warnings = list(dict.fromkeys(told))
    results = {
        "name": config.name,
        "comparison": comparison.model_dump(mode="json"),
        "signal": signal.model_dump(mode="json"),
        "warnings": warnings,
        "informativeness": [entry.model_dump(mode="json") for entry in informativeness],
        "stand_ins": stand_ins(config),
        "facts": facts,
        "seconds": {name: artifact.manifest["seconds"] for name, artifact in inputs.items()},
        "packages": package_versions(),
        "machine": machine(config.threads),
    }
    (draft.path / RESULTS).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page = render_report(
        ReportData(
            title=f"SCORE: {config.name}",
            comparison=comparison,
            summary=_summary(context, rows),
            stand_ins=stand_ins(config),
            warnings=warnings,
            informativeness=informativeness,
            signal=signal,
            plots=_plots(context, rows, comparison),
            stages=stage_rows(inputs, config),
            costs=cost_rows(inputs, config.chosen_methods),
            facts=facts,
            configuration=config.model_dump(mode="json"),
            examples=_examples(context, rows),
        )
    )
    (draft.path / PAGE).write_text(page, encoding="utf-8")


def _history_and_popularity(rows: JudgedRows, interactions: pa.Table, targets: pa.Table) -> list[Slice]:
    liked_before = dict(zip(interactions["row_id"].to_pylist(), interactions["n_before"].to_pylist(), strict=True))
    of_target = dict(zip(targets["target_id"].to_pylist(), targets["row_id"].to_pylist(), strict=True))
    n_before = np.array([liked_before[of_target[target_id]] for target_id in rows.target_ids], np.int64)
    return history_and_popularity(rows, interactions, n_before)


def _plots(context: Context, rows: JudgedRows, comparison: Comparison) -> list[Plot]:
    """Draw the curves; of many methods, those that learn from text or behaviour, and the two references."""
    methods = context.config.chosen_methods
    drawn = [method.name for method in methods if method.name in REFERENCES or method.kind in ("conventional", "llm")]
    models = [name for name in drawn if name not in REFERENCES]
    by_part = [slice_plot(comparison.slices, name, drawn) for name in (LIKED_BEFORE, TRAINING_ROWS)]
    return [
        roc_plot(rows, drawn),
        calibration_plot(rows, drawn),
        *(plot for plot in by_part if plot is not None),
        histogram_plot(rows, models),
        training_plot(training_curves(context.inputs)),
    ]


def machine(threads: int) -> str:
    """Say what the numbers of seconds were measured on."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {threads} torch thread(s)"


def stand_ins(config: ExperimentConfig) -> list[str]:
    """Say which parts of this experiment are small stand-ins for what the paper used."""
    found = []
    if config.llm.backbone == "embedded":
        found.append("embedded LM: a small model trained from scratch by the run, not a pretrained LLM")
    if config.assess.assessor == "metadata":
        found.append("metadata assessor: item metadata in sentences, not an LLM")
    if config.car.model.startswith("embedded:"):
        found.append(f"retriever {config.car.model}: stands in for mpnet-base")
    if config.sare.model.startswith("embedded:"):
        found.append(f"reranker {config.sare.model}: stands in for bge-reranker-large")
    for key, baseline in BASELINES.items():
        if key in config.methods:
            found += baseline.stand_ins(getattr(config.baselines, baseline.section_name()))
    return found


def _scores(context: Context) -> list[pa.Table]:
    tables = []
    for method in context.config.chosen_methods:
        table = context.inputs[method.stage].table(SCORES)  # may hold other methods too
        tables.append(table.filter(pc.equal(table["method"], method.name)))
    return tables


def _informativeness(context: Context, targets: pa.Table) -> list[Informativeness]:
    """Measure the evidence of SCORE, and that of its variants: a CRM that was fitted to the rows may give them away."""
    behaviours, counts = context.inputs["corpus"].table(BEHAVIOURS), context.config.evidence
    candidates = context.inputs["candidates"].table(CANDIDATES)
    contexts = context.inputs["contexts"].table(CONTEXTS)
    return [
        *evidence_informativeness(targets, candidates, behaviours, f"candidates (K_e = {counts.n_candidates})"),
        *evidence_informativeness(targets, contexts, behaviours, f"contexts (K_s = {counts.n_context_users})"),
        *(
            entry
            for method in context.config.chosen_methods
            if (stage := f"contexts-{method.key}") in context.inputs
            for entry in evidence_informativeness(
                targets, context.inputs[stage].table(CONTEXTS), behaviours, f"contexts of {method.name}"
            )
        ),
    ]


def _summary(context: Context, rows: JudgedRows) -> dict[str, str]:
    config, notes = context.config, context.inputs["data"].facts
    return {
        "data": str(notes["source"]),
        "split": f"{notes['split']}; judged on {rows.split}",
        "label": str(notes["label"]),
        "rows": f"{len(rows.labels):,} of {len(set(rows.user_ids)):,} users",
        "corpus of behaviours": config.corpus.kind,
        "language model": config.llm.backbone,
        "seed": str(config.seed),
        "machine": machine(config.threads),
        "date": datetime.now(UTC).date().isoformat(),
        "packages": ", ".join(f"{name} {version}" for name, version in package_versions().items()),
    }


def _examples(context: Context, rows: JudgedRows) -> list[Example]:
    inputs = context.inputs
    corpus, items = inputs["corpus"], inputs["data"].table(ITEMS)
    chosen = choose_examples(rows, SCORE, context.config.evaluation.n_examples)
    prompts = inputs["prompts-score"].table(PROMPTS)
    mine = prompts.filter(pc.is_in(prompts["target_id"], pa.array(chosen, pa.string())))
    tables = EvidenceTables(
        corpus.table(TARGETS),
        corpus.table(QUERIES),
        corpus.table(BEHAVIOURS),
        inputs["candidates"].table(CANDIDATES),
        inputs["contexts"].table(CONTEXTS),
        _as_read(context, mine),
        dict(zip(items["item_id"].to_pylist(), items["title"].to_pylist(), strict=True)),
    )
    return read_examples(tables, rows, chosen)


def _as_read(context: Context, prompts: pa.Table) -> pa.Table:
    """Return the prompts with what the LM's budget left of them."""
    encoder = Scorer.load(model_folder(context, "tuned-score"), context.config.llm, context.config.device).encoder
    left = [to_rows(segments) for segments in encoder.as_read(read_prompts(prompts))]
    return prompts.set_column(prompts.schema.get_field_index("segments"), "segments", pa.array(left, pa.list_(SEGMENT)))


def report_stage(needed: Iterable[str]) -> Stage:
    """Return the stage that reports on the methods of an experiment, which need those stages."""
    reads = dict.fromkeys(("data", "corpus", *_REPORTING, "candidates", "contexts", "signal", "prompts-score", *needed))
    return Stage("report", tuple(reads), lambda config: config.evaluation.model_dump(mode="json"), _report, version=4)
