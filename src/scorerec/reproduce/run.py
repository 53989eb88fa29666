"""Makes the records that are missing, one method and seed after the other; one that fails takes no other down."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scorerec.core.artifacts import fingerprint
from scorerec.core.errors import ArtifactError, ScorerecError
from scorerec.core.tables import PROMPTS, VERDICTS
from scorerec.evaluate.health import health_of
from scorerec.evaluate.results import Moves
from scorerec.evaluate.rows import JudgedRows, judged_rows
from scorerec.experiment.config import ExperimentConfig, load_experiment
from scorerec.experiment.methods import ALWAYS, METHODS
from scorerec.experiment.plan import HEALTH, stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Progress, Runner
from scorerec.experiment.stages.evaluation import told_probabilities
from scorerec.experiment.stages.expenses import method_seconds
from scorerec.experiment.stand_ins import machine, stand_ins
from scorerec.llm.rows import targets_named
from scorerec.pipeline.forms.registry import FORMS
from scorerec.pipeline.verdicts import targets_judged
from scorerec.reproduce.plan import ITEM_MEAN, WITH_CI, WITHOUT_CI, Row
from scorerec.reproduce.records import (
    Part,
    Record,
    keep_record,
    make_record,
    measured_part,
    read_records,
    record_path,
)


class Job(NamedTuple):
    """One row of a table for one seed."""

    row: Row
    seed: int


@dataclass(frozen=True)
class Reproduction:
    """Where rows come from and where their records go.

    Attributes:
        source: a preset or file.
        changes: settings that differ in all rows.
        root: of runs and artifacts.
        page: Markdown that is written; it has every table that anything is kept for.
        tell: hears what happens.
        also: folders of further records, which are read and never written: of another page whose rows have the same
            settings, such as those without a language model.
        only: keys of the rows that are made, over all seeds, while the page shows whatever is kept; empty: all rows.
    """

    source: str
    changes: Sequence[str]
    root: Path
    page: Path
    tell: Callable[[Progress], None] = lambda _: None
    also: Sequence[Path] = ()
    only: Collection[str] = ()

    @property
    def kept(self) -> Path:
        """The folder of records: called as the page without its ending."""
        return self.page.parent / self.page.stem

    @property
    def folders(self) -> list[Path]:
        """The folders that records are read from; what is in a later one counts.

        Raises:
            ArtifactError: one of the further ones is not there.
        """
        for folder in self.also:
            if not folder.is_dir():
                raise ArtifactError(f"{folder}: no such folder; give one that `scorerec reproduce` keeps records in")
        return [*self.also, self.kept]

    def records(self) -> dict[tuple[str, int], Record]:
        """Return all records by row and seed.

        Raises:
            ArtifactError: a folder is not there, or a file is no record.
        """
        return {place: record for folder in self.folders for place, record in read_records(folder).items()}

    def config(self, job: Job) -> ExperimentConfig:
        """Return the settings of one row and seed."""
        compared = WITH_CI if job.row.key == WITHOUT_CI else ()
        methods = ", ".join(f'"{key}"' for key in dict.fromkeys((*ALWAYS, job.row.method, *compared)))
        own = (f"methods=[{methods}]", f"seed={job.seed}", *job.row.changes)
        return load_experiment(self.source, [*self.changes, *own])

    def runner(self, job: Job) -> Runner:
        """Return what runs the stages of one row and seed."""
        config = self.config(job)
        return Runner(stages_of(config), config, self.root)

    def is_kept(self, job: Job, records: Mapping[tuple[str, int], Record]) -> bool:
        """Whether a record is there, with its scores, and all that is wanted beside them, of the present settings."""
        record = records.get((job.row.key, job.seed))
        if record is None or not record.scores:
            return False
        runner = self.runner(job)
        if record.split != runner.config.evaluation.split:
            return False
        if _health(job, runner) and (record.health is None or record.health.moves == Moves()):
            return False
        return record.fingerprint == fingerprint(runner.identities[METHODS[job.row.method].stage])

    def current(
        self, records: Mapping[tuple[str, int], Record], rows: Iterable[Row]
    ) -> tuple[dict[tuple[str, int], Record], list[str]]:
        """Return the records of rows that are kept as they should be, and the files of those that are not.

        They should be made with the present settings, and have their scores.

        Raises:
            DataError: the data are not there, which the settings are compared with.
        """
        known = {row.key: row for row in rows}
        own = {place: record for place, record in records.items() if place[0] in known}
        found = {(key, seed): own[key, seed] for key, seed in own if self.is_kept(Job(known[key], seed), own)}
        return found, [record_path(self.kept, *place).name for place in own if place not in found]

    def make(self, jobs: Iterable[Job]) -> dict[str, str]:
        """Make the records of these jobs that are not kept; return row -> why it failed."""
        records = self.records()
        by_record = {(job.row.key, job.seed): job for job in jobs}  # tables may call one row by two names
        wanted = [job for job in by_record.values() if not self.is_kept(job, records)]
        known = {key: record.seconds for (key, _), record in records.items()}
        failures: dict[str, str] = {}
        for place, job in enumerate(wanted):
            name = f"{job.row.key}, seed {job.seed}"
            left = f"{place + 1} of {len(wanted)}; {_left(wanted[place:], known)}"
            self.tell(Progress(name, "begins", None, None, left))
            start = time.monotonic()
            try:
                record = self._record(job)
            except Exception as error:  # whatever it is, the other rows are worth having
                kind = "" if isinstance(error, ScorerecError) else f"{type(error).__name__}: "
                failures[job.row.key] = f"failed (seed {job.seed}): {kind}{error}"
                self.tell(Progress(name, "failed", None, None, f"{kind}{error}"))
                continue
            keep_record(self.kept, record)
            known[job.row.key] = seconds = time.monotonic() - start
            note = f"AUC {record.measured.auc or float('nan'):.4f}, UAUC {record.measured.uauc or float('nan'):.4f}"
            self.tell(Progress(name, "ran", round(seconds, 1), None, note))
        return failures

    def _record(self, job: Job) -> Record:
        """Run what the scores of one job need, and measure them."""
        runner = self.runner(job)
        config = runner.config
        method = METHODS[job.row.method]
        health = _health(job, runner)
        compared = _compared(job.row.key, config)
        further = [*health, *(f"prompts-{key}" for key in compared)]
        run = runner.made(method.stage, "corpus", "references", *further)
        item_mean = run.scores("references", ITEM_MEAN.key)
        scores = [run.scores(method.stage, method.key), *([] if method.key == ITEM_MEAN.key else [item_mean])]
        rows = judged_rows(run.interactions, run.all_targets, scores, config.evaluation.split)
        moves = run.moves(*health) if health else None
        told = told_probabilities(run, method.stage, rows)
        about = {
            "health": health_of(rows, method.key, ITEM_MEAN.key, moves, told) if job.row.reads_text else None,
            "named": {key: part for key in compared if (part := _named(run, key, rows, method.key)) is not None},
            "seconds": method_seconds(run.artifacts, [method])[method.key],
            "stand_ins": stand_ins(config) if job.row.reads_text else [],
            "machine": machine(config.threads),
        }
        return make_record(job.row.key, job.seed, run.artifact(method.stage).fingerprint, rows, method.key, about)


def _health(job: Job, runner: Runner) -> list[str]:
    """Return the stage that measures what moves the LM of a row, where the settings want it; else nothing."""
    stage = HEALTH.get(METHODS[job.row.method].stage)
    return [stage.name] if stage is not None and stage.name in runner.stages else []


def _compared(key: str, config: ExperimentConfig) -> list[str]:
    """Return the rows on whose evidence a row is measured: its own, and for TALLRec that of all compared with it."""
    known = [one for one in WITH_CI if METHODS[one].differs(config.evidence.forms)]
    return known if key == WITHOUT_CI else [key] if key in known else []


def _named(run: Run, key: str, rows: JudgedRows, method: str) -> Part | None:
    """Measure a method on the rows whose evidence, that of the row ``key``, names the target; None where there is none.

    A verdict names it where others are known to have rated it.
    """
    named = targets_named(run.table(f"prompts-{key}", PROMPTS), run.config.llm.budget)
    told = run.artifact(f"prompts-{key}").manifest["inputs"]
    if FORMS["verdicts"].stage in told:
        named |= targets_judged(run.table(FORMS["verdicts"].stage, VERDICTS))
    is_named = np.array([target in named for target in rows.target_ids], bool)
    return measured_part(rows.where(is_named), method, rows.users) if is_named.any() else None


def _left(wanted: Sequence[Job], known: dict[str, float]) -> str:
    """Say how long the rest may take, by earlier records of the same rows: others may take a thousand times that."""
    parts = [known[job.row.key] for job in wanted if job.row.key in known]
    if not parts:
        return "time left not known yet"
    minutes = sum(parts) / 60
    told = f"at most about {minutes:.0f} min left" if minutes >= 1 else "less than a minute left"
    others = len(wanted) - len(parts)
    return told if not others else f"{told}, beside {others} never timed"
