"""The results that are committed, measured again by the scores in their records, where the data are at hand."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from scorerec.data.corpus import build_corpus
from scorerec.data.prepare import prepare
from scorerec.evaluate.measure import measure
from scorerec.evaluate.rows import JudgedRows, judged_rows
from scorerec.evaluate.significance import METRICS, resample_users
from scorerec.experiment.config import load_experiment
from scorerec.reproduce.attention import attention_models, read_attention
from scorerec.reproduce.plan import TABLES, Row, rows_of
from scorerec.reproduce.records import DRAWS, Record, read_records
from scorerec.reproduce.run import Job, Reproduction

ROOT = Path(__file__).resolve().parents[2]
RESULTS, TOY = ROOT / "docs" / "results", ROOT / "docs" / "toy" / "results"
DATA = ROOT.parent / "shared" / "data" / "ml-1m"
MOST_BYTES = 8_000_000
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"data sets are not part of the project: {DATA} is not there")


@pytest.fixture(scope="module", params=[(RESULTS,), (RESULTS, TOY)], ids=["ml-1m", "toy"])
def folders(request: pytest.FixtureRequest) -> Sequence[Path]:
    """Return the folders that a page is written from, its own last."""
    found: Sequence[Path] = request.param
    return found


@pytest.fixture(scope="module")
def records(folders: Sequence[Path]) -> dict[tuple[str, int], Record]:
    return {place: record for folder in folders for place, record in read_records(folder).items()}


@pytest.fixture(scope="module")
def rows() -> JudgedRows:
    """Return the rows that the preset's methods are judged on, with a score of nothing."""
    config = load_experiment("ml-1m-toy", [f"data.path={DATA}"])
    interactions = prepare(config.data).interactions
    targets = build_corpus(interactions, config.corpus).targets
    nothing = pl.DataFrame(targets).select(
        "target_id", method=pl.lit("none"), p_yes=pl.lit(0.0), n_tokens=pl.lit(0, pl.Int32)
    )
    return judged_rows(interactions, targets, [nothing.to_arrow()], config.evaluation.split)


def test_records_stay_small() -> None:
    assert sum(path.stat().st_size for folder in (RESULTS, TOY) for path in folder.glob("*.json")) < MOST_BYTES


@pytest.mark.real_data
@needs_data
@pytest.mark.parametrize(("preset", "own", "also"), [("ml-1m", RESULTS, ()), ("ml-1m-toy", TOY, (RESULTS,))])
def test_records_are_those_of_the_present_settings(preset: str, own: Path, also: Sequence[Path]) -> None:
    """No row is in two folders by mistake, or left from settings that are gone."""
    made = Reproduction(preset, [f"data.path={DATA}"], Path("runs"), own.with_suffix(".md"), also=also)
    forms = load_experiment(
        preset
    ).evidence.forms  # what differs in titles is made with titles where they are not shown
    rows = {row.key: row for table in TABLES for row in rows_of(table, forms=forms)}
    current, others = made.current(made.records(), rows.values())
    assert set(read_records(own)) <= set(current), others
    read_attention(own / "attention.json", attention_models(made.runner(Job(Row("fig5", "llara"), 0))))


@pytest.mark.parametrize("folder", [RESULTS, TOY], ids=["ml-1m", "toy"])
def test_the_page_ends_with_the_notes(folder: Path) -> None:
    """Who changes them writes the page anew: `scorerec reproduce all ml-1m --no-run`."""
    notes = folder.parent / f"{folder.name}-notes.md"
    page = folder.with_suffix(".md").read_text(encoding="utf-8")
    assert page.rstrip().endswith(notes.read_text(encoding="utf-8").rstrip())


def test_every_record_has_a_score_for_each_row(records: dict[tuple[str, int], Record]) -> None:
    assert records
    old = [f"{key}-seed{seed}.json" for (key, seed), record in records.items() if not record.scores]
    assert not old, "without scores; `scorerec reproduce all` makes them anew"
    for record in records.values():
        assert np.isfinite(record.row_scores()).all()


@pytest.mark.real_data
@needs_data
def test_a_sample_of_cells_is_measured_again(
    folders: Sequence[Path], records: dict[tuple[str, int], Record], rows: JudgedRows
) -> None:
    with (folders[-1] / "table2.csv").open(encoding="utf-8", newline="") as file:
        table = {row["key"]: row for row in csv.DictReader(file) if row["seeds"]}
    draw = random.Random(0)
    others = sorted({key for key, _ in records} - table.keys())
    for key in (*draw.sample(sorted(table), 4), *draw.sample(others, 2)):
        own = {seed: record for (name, seed), record in records.items() if name == key}
        assert {record.rows_fingerprint for record in own.values()} == {rows.fingerprint}
        again = {seed: measure(rows.users, rows.labels, record.row_scores()) for seed, record in own.items()}
        for seed, found in again.items():
            assert (key, seed, found.auc, found.uauc) == (key, seed, own[seed].measured.auc, own[seed].measured.uauc)
        if key in table:
            seeds = [int(seed) for seed in table[key]["seeds"].split()]
            for metric in METRICS:
                mean = np.mean([getattr(again[seed], metric) for seed in seeds])
                assert float(table[key][metric]) == pytest.approx(mean, rel=0, abs=1e-12), (key, metric)
        _compare_with_sklearn(own[min(own)], rows)


@pytest.mark.real_data
@needs_data
def test_draws_of_users_are_measured_again(records: dict[tuple[str, int], Record], rows: JudgedRows) -> None:
    """Intervals and p-values are made of them."""
    record = records[random.Random(1).choice(sorted(records))]
    found = resample_users(rows.users, rows.labels, {"again": record.row_scores()}, DRAWS, 0)
    for metric in METRICS:
        kept = np.array(record.draws[metric], float)
        np.testing.assert_allclose(found.values[metric, "again"], kept, rtol=0, atol=0.6e-5)  # five digits are kept


def _compare_with_sklearn(record: Record, rows: JudgedRows) -> None:
    scores = record.row_scores()
    within = []
    for user in np.unique(rows.users):
        own = rows.users == user
        if 0 < rows.labels[own].sum() < own.sum():
            within.append(roc_auc_score(rows.labels[own], scores[own]))
    assert roc_auc_score(rows.labels, scores) == pytest.approx(record.measured.auc, rel=0, abs=1e-12)
    assert np.mean(within) == pytest.approx(record.measured.uauc, rel=0, abs=1e-12)
