"""What the commands do: each takes plain values, and returns what there is to print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from scorerec.core.artifacts import Artifact
from scorerec.core.storage import told_clearly
from scorerec.data.prepare import prepare
from scorerec.evaluate.results import Comparison, Signal
from scorerec.evaluate.signal import count_lines
from scorerec.evaluate.tables import headline_rows, users_left_out
from scorerec.experiment.config import load_experiment
from scorerec.experiment.estimate import READING, estimate_run, total_line
from scorerec.experiment.expected import Counts, compare
from scorerec.experiment.plan import PAGE, RESULTS, stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Progress, Runner


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        folder: of the run.
        headlines: lines that stand above the table.
        table: a row of text per method; empty where the run stopped before the report.
        verdict: lines that stand below it: what beats what, by how much, and why perhaps not.
        results: the results as JSON, or None.
    """

    folder: Path
    headlines: list[str]
    table: list[dict[str, str]]
    verdict: list[str]
    results: dict[str, Any] | None


@dataclass(frozen=True)
class PreparedTables:
    """What prepared tables hold.

    Attributes:
        notes: of ``data.prepare.Prepared``.
        headlines: the rules, what they leave out, and warnings.
        expected: the paper's counts beside those of the notes, where the configuration names them.
    """

    notes: dict[str, Any]
    headlines: list[str]
    expected: Counts | None


def prepare_tables(source: str, changes: Sequence[str], out: Path) -> PreparedTables:
    """Write interactions.parquet and items.parquet into ``out``; return what they hold.

    Args:
        source: a preset or a TOML file.
        changes: settings as ``key=value`` that replace its own.
        out: a folder; it is made where it is missing.

    Raises:
        DataError: the source cannot be used.
        ArtifactError: the tables cannot be written.
    """
    config = load_experiment(source, changes)
    prepared = prepare(config.data)
    with told_clearly(out):
        out.mkdir(parents=True, exist_ok=True)
        pq.write_table(prepared.interactions, out / "interactions.parquet")
        pq.write_table(prepared.items, out / "items.parquet")
    notes = prepared.notes
    rules = f"{notes['label']}; {notes['select']}; {notes['split']}"
    lines = [rules, _left_out(notes), *(f"Warning: {line}" for line in notes["warnings"])]
    return PreparedTables(notes, lines, compare(notes, config.expected))


def _left_out(notes: dict[str, Any]) -> str:
    names = ("rows_of_unknown_items", "rows_of_repeats", "rows_not_selected", "rows_outside_window")
    faulty = ("items_without_title", "items_repeated")
    parts = [f"{notes[name]} {name.replace('_', ' ')}" for name in (*names, *faulty) if notes[name]]
    return f"Read {notes['rows_read']} rows; left out: {', '.join(parts) or 'nothing'}"


def run_experiment(
    source: str,
    changes: Sequence[str],
    root: Path,
    to: str | None,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Run an experiment; say before what it will take.

    Args:
        source: a preset or a TOML file.
        changes: settings as ``key=value`` that replace its own.
        root: below it the run gets a folder of its own.
        to: the last stage; None: all.
        tell: is told what happens while it happens.
    """
    config = load_experiment(source, changes)
    runner = Runner(stages_of(config), config, root)
    estimates = {part.stage: part for part in estimate_run(runner, to, tell)}
    missing = runner.missing(to)
    for stage in missing:
        part = estimates.get(stage)
        tell(Progress(stage, "estimate", part.seconds if part else None, None, part.line if part else ""))
    if set(missing) - READING:
        tell(Progress(to or "run", "total", None, None, total_line(list(estimates.values()), missing)))
    artifacts = runner.run(to, tell)
    if "report" not in artifacts:
        return Outcome(runner.folder, [f"Stopped after stage {to}, as asked."], [], [], None)
    write_report(runner.folder)
    results = json.loads((runner.folder / RESULTS).read_text(encoding="utf-8"))
    comparison = Comparison.model_validate(results["comparison"]).labelled(results["labels"])
    headlines = [
        f"{config.name}: {comparison.split} rows, {artifacts['data'].facts['split']}",
        users_left_out(comparison.methods[0]),
        *(f"Stand-in: {line}" for line in results["stand_ins"]),
        *(f"Answers: {line}" for line in sorted(answer_tokens(artifacts.values()))),
        # Runs of before have no such facts.
        *(f"Warning: {line}" for line in (*artifacts["data"].facts.get("warnings", ()), *results["warnings"])),
        *(f"Signal: {line}" for line in signal_lines(Signal.model_validate(results["signal"]), comparison.split)),
    ]
    columns = ("method", "AUC", "UAUC", "seconds")  # what fits a terminal; the report has the rest
    table = [{name: row[name] for name in columns} for row in headline_rows(comparison)]
    return Outcome(runner.folder, headlines, table, results["verdict"], results)


def answer_tokens(artifacts: Iterable[Artifact]) -> set[str]:
    """Return which tokens language models of a run answer with, as they were resolved: mostly one line for all."""
    return {artifact.facts["answers"] for artifact in artifacts if "answers" in artifact.facts}


def run_signal(folder: Path, tell: Callable[[Progress], None] = lambda _: None) -> Signal:
    """Return whether the recommender of a run tells users apart, and what the users found know of the target.

    What the run lacks for it is made.

    Raises:
        ArtifactError: there is no run in the folder.
    """
    config = Run.open(folder).config
    return Runner(stages_of(config), config, folder.parent, folder).made("signal", tell=tell).signal()


def signal_lines(signal: Signal, split: str) -> list[str]:
    """Return the signal in a few lines: the recommender, and each way of finding users."""
    spread = signal.spread
    return [
        f"{signal.recommender}: {spread.interaction_share:.1%} of its scores' variance is user x item; two users' "
        f"states have a mean cosine of {spread.mean_cosine:.3f}, effective rank {spread.effective_rank:.1f}",
        *count_lines(signal.counts, split),
    ]


def experiment_status(source: str, changes: Sequence[str], root: Path) -> list[Progress]:
    """Say for each stage of an experiment whether its result is there.

    Args:
        source: a preset or a TOML file.
        changes: settings as ``key=value`` that replace its own.
        root: the folder that runs stand in.
    """
    config = load_experiment(source, changes)
    return Runner(stages_of(config), config, root).status()


def write_report(folder: Path) -> Path:
    """Put the report and the results of a finished run into its folder; return the page's path."""
    artifact = Run.open(folder).artifact("report")
    for name in (PAGE, RESULTS):
        (folder / name).write_bytes((artifact.path / name).read_bytes())
    return folder / PAGE
