"""`scorerec reproduce`: make what is missing, and write the page from everything that is kept."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scorerec.core.errors import ArtifactError, ConfigError, DataError, ScorerecError
from scorerec.experiment.attention import Attention
from scorerec.experiment.config import ExperimentConfig, load_experiment
from scorerec.experiment.methods import recommenders
from scorerec.experiment.runner import Progress
from scorerec.experiment.stand_ins import stand_ins
from scorerec.reproduce.attention import (
    attention_figure,
    attention_models,
    attention_text,
    make_attention,
    read_attention,
)
from scorerec.reproduce.cold import ColdRows
from scorerec.reproduce.gain import gain_lines
from scorerec.reproduce.page import Page, Section, compared_with, flat_rows, text_rows
from scorerec.reproduce.plan import BEYOND, OVER_SEEDS, SCORE, TABLE_2, TABLES, Row, compared_in, rows_of, tables_of
from scorerec.reproduce.records import record_path
from scorerec.reproduce.run import Job, Reproduction
from scorerec.reproduce.signals import (
    OF_CRM,
    WHOLE,
    KeptSignal,
    is_current,
    keep_signal,
    read_signals,
    signal_text,
)
from scorerec.reproduce.summary import Records, summarise

_ATTENTION = "attention.json"


@dataclass(frozen=True)
class Reproduced:
    """Attributes: ``sections``: what was asked for; ``page``: where all of it stands; ``failures``: row -> reason."""

    sections: Sequence[Section]
    page: Path
    failures: dict[str, str]

    def texts(self) -> dict[str, list[dict[str, str]]]:
        """Return title -> rows for a terminal: what fits its width; the page has the rest."""
        columns = ("method", "AUC", "UAUC", "SCORE's AUC minus its", "seconds")
        return {
            part.title: [{name: row[name] for name in columns} for row in text_rows(part)]
            for part in self.sections
            if part.lines
        }

    def tables(self) -> dict[str, list[dict[str, object]]]:
        """Return name -> rows with every number."""
        return {part.name: flat_rows(part.lines) for part in self.sections}


def read_seeds(text: str) -> list[int]:
    """Return seeds from ``0,1,2``.

    Raises:
        ConfigError: that is not what it is.
    """
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"seeds: wanted different whole numbers with commas between them, such as 0,1,2, got {text!r}"
        )
    return seeds


def reproduce(
    what: str,
    job: Reproduction,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    lm_seeds: bool = False,
    retune: bool = False,
    run: bool = True,
) -> Reproduced:
    """Reproduce a table or figure of the paper, or all.

    What is kept and was made with the same settings is not made again.

    Args:
        what: table2, table3, fig3, fig4, signal, fig5, checks or all, which is the paper's; beyond, or one of its.
        job: of which experiment, and where everything goes.
        seeds: of Table 2, Fig. 3 and beyond; the others take the first. Where single rows are made, the page has all
            that are kept.
        lm_seeds: whether rows of the paper's tables with a language model are made over all seeds too; otherwise over
            the first alone.
        retune: Fig. 4: tune anew for each K_e and K_s.
        run: whether missing records are made; otherwise the page is written from those that are there.

    Raises:
        ConfigError: there is no such table, or no such row in it.
        ArtifactError: nothing is kept, and nothing shall be run.
    """
    wanted = tables_of(what)
    config = load_experiment(job.source, job.changes)
    forms = config.evidence.forms
    plans = {table: rows_of(table, retune, forms) for table in dict.fromkeys((*wanted, *TABLES))}
    kept, page = job.kept, job.page
    failures = job.make(_jobs(wanted, plans, seeds, lm_seeds, job.only)) if run else {}
    if run and not job.only and "signal" in wanted:
        failures |= _signals(job, seeds, kept)
    if run and not job.only and "fig5" in wanted:
        failures |= _attention(job, seeds[0], kept)
    records = job.records()
    checked = True
    try:
        records, others = job.current(records, [row for rows in plans.values() for row in rows])
    except DataError as error:
        if run:
            raise
        checked, others = False, [record_path(kept, *place).name for place, one in records.items() if not one.scores]
        records = {place: one for place, one in records.items() if one.scores}
        job.tell(Progress("records", "not checked", None, None, f"whether they fit the present settings: {error}"))
    if others:
        note = f"not shown, for they were made with other settings or have no scores: {', '.join(others)}"
        job.tell(Progress("records", "left out", None, None, note))
    if job.only:  # what is made now is a part; the page shows all that is kept
        seeds = sorted({*seeds, *(seed for _, seed in records)})
    about = compared_with(records)
    if about is None:
        reasons = "; ".join(f"{key}: {reason}" for key, reason in failures.items()) or "run without --no-run"
        raise ArtifactError(f"{kept}: there are no records to make a page of ({reasons})")
    sections = []
    for table in TABLES:
        lines = summarise(table, plans[table], _seeds_of(table, seeds), records, failures, config.expected)
        if table in wanted or 2 * sum(bool(line.seeds) for line in lines) > len(lines) > 0:
            below = _below(table, plans[table], records, _seeds_of(table, seeds), config if checked else None)
            sections.append(Section(table, lines, below=below))
    signals = read_signals(job.folders)
    measured = _measured(job, signals) if checked else signals
    sections = _with_others(sections, measured, _looked(job, seeds[0], kept, checked))
    notes = page.parent / f"{page.stem}-notes.md"
    Page(
        title=config.name,
        command=f"scorerec reproduce all {job.source}",
        record=about,
        stand_ins=stand_ins(job.config(Job(SCORE, seeds[0]))),
        sections=sections,
        notes=notes.read_text(encoding="utf-8") if notes.is_file() else "",
        folder=page.stem,
        also=[os.path.relpath(folder, page.parent) for folder in job.also],
        checked=checked,
    ).write(page)
    return Reproduced([part for part in sections if part.name in wanted], page, failures)


def _below(
    table: str, rows: Sequence[Row], records: Records, seeds: Sequence[int], config: ExperimentConfig | None
) -> list[str]:
    """Return what stands below a table; with None for the settings, where the data are not there, only what is kept."""
    if table == "table2":
        return gain_lines(rows, records, seeds)
    if table in BEYOND and config is not None:
        return [ColdRows(config.data, config.evaluation.split).table(rows, compared_in(table), records, seeds)]
    return []


def _with_others(
    sections: list[Section], measured: Mapping[str, Sequence[KeptSignal]], looked: list[Attention]
) -> list[Section]:
    """Return the sections with those that are no table of records in their places."""
    found = [part for part in sections if part.name not in ("signal", "fig5")]
    if looked:
        figure = Section("fig5", [], [attention_figure(looked)], attention_text(looked))
        found.insert(sum(part.name != "checks" for part in found), figure)
    return [Section("signal", [], [], signal_text(measured)), *found] if measured else found


def _attention(job: Reproduction, seed: int, kept: Path) -> dict[str, str]:
    """Make Fig. 5 unless it is kept; return why it failed, if it did."""
    try:
        make_attention(job.runner(_figure_5(seed)), kept / _ATTENTION)
    except ScorerecError as error:
        return {"fig5": str(error)}
    return {}


def _looked(job: Reproduction, seed: int, kept: Path, checked: bool) -> list[Attention]:
    """Return what Fig. 5 shows: nothing where it was made with other settings, or cannot be read."""
    try:
        models = attention_models(job.runner(_figure_5(seed))) if checked else None
        return read_attention(kept / _ATTENTION, models)
    except ScorerecError as error:
        job.tell(Progress("fig5", "left out", None, None, str(error)))
        return []


def _figure_5(seed: int) -> Job:
    return Job(Row("fig5", "llara"), seed)


def _signals(job: Reproduction, seeds: Sequence[int], kept: Path) -> dict[str, str]:
    """Measure the signal of every recommender, and of SCORE step by step; return why it failed, if it did."""
    failures = {}
    for row, stage in [*((row, OF_CRM) for row in TABLE_2 if row.key in recommenders()), (SCORE, WHOLE)]:
        for seed in seeds:
            try:
                keep_signal(job.runner(Job(row, seed)), stage, row.key, kept)
            except ScorerecError as error:
                failures[f"signal of {row.key}"] = str(error)
                job.tell(Progress(f"signal of {row.key}, seed {seed}", "failed", None, None, str(error)))
    return failures


def _measured(job: Reproduction, found: Mapping[str, Sequence[KeptSignal]]) -> dict[str, list[KeptSignal]]:
    """Return the signals that were measured with the present settings; the others are named."""
    known = {row.key: row for row in TABLE_2}
    current: dict[str, list[KeptSignal]] = {}
    for key, kept in found.items():
        stage = WHOLE if key == SCORE.key else OF_CRM
        for one in kept:
            if key in known and is_current(one, job.runner(Job(known[key], one.seed)), stage):
                current.setdefault(key, []).append(one)
            else:
                job.tell(Progress(f"signal of {key}, seed {one.seed}", "left out", None, None, "other settings"))
    return current


def _jobs(
    wanted: Sequence[str],
    plans: Mapping[str, Sequence[Row]],
    seeds: Sequence[int],
    lm_seeds: bool,
    only: Collection[str] = (),
) -> list[Job]:
    """Return the rows that are wanted: first all of the first seed, so that every table has something early."""
    known = {row.key for table in wanted for row in plans[table]}
    if set(only) - known:
        raise ConfigError(
            f"rows: wanted some of {', '.join(sorted(known))}, got {', '.join(sorted(set(only) - known))}, which "
            f"{' and '.join(wanted)} have not with these settings"
        )
    return [
        Job(row, seed)
        for seed in seeds
        for table in wanted
        if seed in _seeds_of(table, seeds)
        for row in plans[table]
        if (row.key in only if only else lm_seeds or table in BEYOND or seed == seeds[0] or not row.reads_text)
    ]


def _seeds_of(table: str, seeds: Sequence[int]) -> Sequence[int]:
    """Return the seeds that every row of a table has: rows of other tables may be kept over more, and are not mixed."""
    return seeds if table in OVER_SEEDS else seeds[:1]
