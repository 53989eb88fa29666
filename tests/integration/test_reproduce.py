"""Records, tables and figures of a small run; what is kept is not made again, what fails takes nothing down."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from scorerec.core.errors import ArtifactError, ConfigError
from scorerec.experiment.runner import Progress
from scorerec.reproduce import command
from scorerec.reproduce.plan import BEYOND, ITEM_MEAN, ITEM_USER_MEAN, REGIMES, SCORE, TABLES, Row
from scorerec.reproduce.records import Record, read_records
from scorerec.reproduce.run import Reproduction
from scorerec.reproduce.signals import read_signals

FEWER = Row("score-ke10-ks1", "score-at", ("recommending.n_context_users=1",), "K_e = 10, K_s = 1")
SASREC = Row("sasrec", "crm", ("crm.model=sasrec",), "SASRec")
BROKEN = Row("broken", "crm", ("crm.settings={n_heads=7}",), "broken")


@pytest.fixture
def told() -> list[Progress]:
    return []


@pytest.fixture
def job(
    outcome: Any, experiment: Any, told: list[Progress], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Reproduction:
    """Return a reproduction in which Table 2 has three rows and one that fails, and Fig. 4 one point."""
    shutil.copytree(outcome.root, tmp_path / "runs")
    rows = {"table2": (ITEM_MEAN, ITEM_USER_MEAN, BROKEN, SCORE), "fig4": (SCORE, FEWER)}
    monkeypatch.setattr(command, "rows_of", lambda table, retune, forms: rows.get(table, ()))
    monkeypatch.setattr(command, "TABLE_2", (ITEM_MEAN, SASREC))
    page = tmp_path / "docs" / "results.md"
    return Reproduction("ml-1m-toy", experiment.settings(), tmp_path / "runs", page, told.append)


def begun(told: list[Progress]) -> list[str]:
    return [progress.stage for progress in told if progress.state == "begins"]


def test_a_table_is_made_kept_and_written(job: Reproduction, told: list[Progress]) -> None:
    done = command.reproduce("table2", job, (0,))
    assert begun(told) == ["item-mean, seed 0", "item+user-mean, seed 0", "broken, seed 0", "score, seed 0"]
    assert list(done.failures) == ["broken"]
    records = read_records(job.kept)
    assert sorted(records) == [("item+user-mean", 0), ("item-mean", 0), ("score", 0)]
    record = records["score", 0]
    assert min(record.draws["auc"]) < record.measured.auc < max(record.draws["auc"])  # type: ignore[type-var,operator]
    page = job.page.read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| References | item mean")]
    assert len(lines) == 2  # in each block of Table 2: the item + user mean knows dislikes
    assert all(f"{records['item-mean', 0].measured.auc:.4f}" in line for line in lines)
    assert page.count("**Verdict.** SCORE ") == 2  # under each block
    assert "| failed |" in page
    assert "- broken: failed (seed 0): " in page
    assert "Stand-in: toy LM" in page
    with (job.kept / "table2.csv").open(encoding="utf-8", newline="") as file:
        by_key = {row["key"]: row for row in csv.DictReader(file)}
    minus = record.measured.auc - records["item-mean", 0].measured.auc  # type: ignore[operator]
    assert float(by_key["item-mean"]["score_minus_auc"]) == pytest.approx(minus)
    assert by_key["score"]["score_minus_auc"] == ""
    assert by_key["broken"]["failure"].startswith("failed")

    told.clear()
    again = command.reproduce("table2", job, (0,))
    assert begun(told) == ["broken, seed 0"]  # the others are kept
    assert again.failures == done.failures
    told.clear()
    before = job.page.read_bytes()
    command.reproduce("table2", job, (0,), run=False)
    assert told == []
    assert b"not run" in job.page.read_bytes()  # a failure is not kept
    assert len(job.page.read_bytes()) < len(before)


def test_beyond_the_paper_there_are_controls_and_cold_rows(
    job: Reproduction, told: list[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    regime = REGIMES[2]
    rows = tuple(row for row in regime.rows if row.method != "counts")
    monkeypatch.setattr(command, "rows_of", lambda table, retune, forms: rows if table == regime.table else ())
    done = command.reproduce("beyond", job, (0,))
    assert not done.failures
    assert begun(told)[-1] == "score-c, seed 0"
    page = job.page.read_text(encoding="utf-8")
    assert "## Beyond the paper, C: " in page
    assert "**Verdict.** SCORE, regime C " in page
    assert "**Cold.** " in page
    assert " | warm user and item |" in page  # nobody is cold in this world
    records = read_records(job.kept)
    with (job.kept / "beyond.csv").open(encoding="utf-8", newline="") as file:
        found = {row["method"]: row for row in csv.DictReader(file)}
    assert list(found) == [row.method for row in rows]
    for key, row in (("score-c", "score"), ("regression-c", "regression"), ("item-mean", "item-mean")):
        assert float(found[row]["auc"]) == pytest.approx(records[key, 0].measured.auc)
        assert (found[row]["regime"], found[row]["seeds"]) == ("C", "1")
    told.clear()
    command.reproduce("beyond", job, (0,))
    assert begun(told) == []


def test_records_of_another_folder_are_shown_and_not_made_again(job: Reproduction, told: list[Progress]) -> None:
    command.reproduce("table2", job, (0,))
    mine = dataclasses.replace(job, page=job.page.parent / "mine.md", also=[job.kept])
    (job.kept / "score-seed0.json").rename(job.page.parent / "aside.json")
    told.clear()
    command.reproduce("table2", mine, (0,), run=False)
    page = mine.page.read_text(encoding="utf-8")
    assert "- **Not run yet**, Table 2: broken; SCORE\n" in page
    assert "from the records in `mine/` and `results/`, one" in page
    assert "Stand-in: toy LM" in page  # as the settings say: no row that reads with it is there
    command.reproduce("table2", mine, (0,))
    assert begun(told) == ["broken, seed 0", "score, seed 0"]
    assert [path.name for path in mine.kept.glob("*-seed0.json")] == ["score-seed0.json"]
    assert "Not run yet" not in mine.page.read_text(encoding="utf-8")
    with pytest.raises(ArtifactError, match="nowhere: no such folder"):
        command.reproduce("table2", dataclasses.replace(job, also=[Path("nowhere")]), (0,))


def test_what_lms_read_and_what_evidence_gives_them_is_kept_and_shown(
    job: Reproduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (ITEM_MEAN, Row("llm", "llm"), Row("titles", "titles"), SCORE)
    monkeypatch.setattr(command, "rows_of", lambda table, retune, forms: rows if table == "table2" else ())
    both = 'evidence.forms=["titles", "verdicts"]'
    asked = dataclasses.replace(job, changes=[*job.changes, both, "evaluation.health_rows=20"])
    command.reproduce("table2", asked, (0,))
    records = {key: record for (key, _), record in read_records(job.kept).items()}
    assert records["item-mean"].health is None
    assert records["item-mean"].named == {}
    ours, theirs = (records[key].health for key in ("score", "llm"))
    assert ours is not None
    assert theirs is not None
    assert ours.moves.evidence is not None
    assert ours.moves.evidence.n_rows == 20
    ours_rows = records["score"].measured.n_rows
    assert theirs.moves.evidence is None
    parts = {key: records[key].named for key in ("llm", "titles", "score")}
    assert {key: list(of) for key, of in parts.items()} == {"llm": ["titles", "score"], "titles": ["titles"],
                                                            "score": ["score"]}  # fmt: skip
    named = [parts[key]["titles"].rows_fingerprint for key in ("llm", "titles")]
    judged = [parts[key]["score"].rows_fingerprint for key in ("llm", "score")]
    assert named[0] == named[1] != judged[0] == judged[1]  # verdicts tell of more rows than titles do
    assert parts["llm"]["titles"].measured.n_rows < parts["llm"]["score"].measured.n_rows <= ours_rows
    page = job.page.read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if "| TALLRec |" in line]
    assert theirs.moves.history is not None
    assert f"| – | {theirs.item_correlation:.3f} | {theirs.moves.history.mean_change:.4f} | – |" in line
    for key in ("titles", "score"):
        count = parts[key][key].measured.n_rows
        assert f"On the {count} rows whose evidence tells of the target: " in page
    plain = dataclasses.replace(job, changes=[*job.changes, both])
    assert plain.is_kept(command.Job(SCORE, 0), read_records(job.kept))  # whatever is measured beside the scores


def test_other_settings_are_other_records(job: Reproduction, told: list[Progress], experiment: Any) -> None:
    command.reproduce("table2", job, (0,))
    told.clear()
    other = Reproduction(
        "ml-1m-toy", [*experiment.settings(), "corpus.max_valid_targets=50"], job.root, job.page, told.append
    )
    assert not other.is_kept(command.Job(SCORE, 0), read_records(job.kept))
    assert job.is_kept(command.Job(SCORE, 0), read_records(job.kept))
    with pytest.raises(ArtifactError, match="no records"):  # those of other settings are not shown as its own
        command.reproduce("table2", other, (0,), run=False)
    (said,) = (progress for progress in told if progress.stage == "records")
    assert "score-seed0.json" in said.note
    command.reproduce("table2", job, (0,), run=False)
    assert "Not checked" not in job.page.read_text(encoding="utf-8")
    elsewhere = [*experiment.settings(), "data.source=movielens-1m", "data.path=/nowhere"]
    command.reproduce("table2", Reproduction("ml-1m-toy", elsewhere, job.root, job.page), (0,), run=False)
    assert "Not checked" in job.page.read_text(encoding="utf-8")


def test_a_record_without_scores_is_made_anew(job: Reproduction, told: list[Progress]) -> None:
    command.reproduce("table2", job, (0,))
    path = job.kept / "score-seed0.json"
    complete = path.read_text(encoding="utf-8")
    old = json.loads(complete)
    del old["scores"]
    path.write_text(json.dumps(old), encoding="utf-8")
    told.clear()
    command.reproduce("table2", job, (0,), run=False)
    (said,) = (progress for progress in told if progress.stage == "records")
    assert said.note.endswith("have no scores: score-seed0.json")
    with (job.kept / "table2.csv").open(encoding="utf-8", newline="") as file:
        assert [row["failure"] for row in csv.DictReader(file)] == ["", "", "not run", "not run"]
    told.clear()
    command.reproduce("table2", job, (0,))
    assert begun(told) == ["broken, seed 0", "score, seed 0"]
    new = read_records(job.kept)["score", 0]
    assert new.model_copy(update={"seconds": 0.0}) == Record.model_validate_json(complete).model_copy(
        update={"seconds": 0.0}
    )
    assert len(new.row_scores()) == new.measured.n_rows


def test_a_table_of_one_seed_compares_that_seed_in_every_row(job: Reproduction) -> None:
    """SCORE and the references are kept over two seeds for Table 2; Fig. 4 has the first of them alone."""
    command.reproduce("all", job, (1, 0), lm_seeds=True)
    records = read_records(job.kept)
    assert sorted(records) == [
        *((key, seed) for key in ("item+user-mean", "item-mean", "score") for seed in (0, 1)),
        ("score-ke10-ks1", 1),
    ]
    auc = {place: record.measured.auc for place, record in records.items()}
    with (job.kept / "fig4.csv").open(encoding="utf-8", newline="") as file:
        ours, fewer = csv.DictReader(file)
    assert (ours["seeds"], float(ours["auc"])) == ("1", auc["score", 1])
    assert float(fewer["score_minus_auc"]) == auc["score", 1] - auc["score-ke10-ks1", 1]  # type: ignore[operator]
    with (job.kept / "table2.csv").open(encoding="utf-8", newline="") as file:
        ours = next(row for row in csv.DictReader(file) if row["key"] == "score")
    assert (ours["seeds"], float(ours["auc"])) == (
        "1 0",
        pytest.approx((auc["score", 0] + auc["score", 1]) / 2),  # type: ignore[operator]
    )
    command.reproduce("all", dataclasses.replace(job, only=["score"]), (1,))
    with (job.kept / "table2.csv").open(encoding="utf-8", newline="") as file:
        assert {row["seeds"] for row in csv.DictReader(file) if not row["failure"]} == {"0 1"}  # not what is made alone


def test_figure_4_is_drawn_and_fig_5_too(job: Reproduction) -> None:
    done = command.reproduce("fig4", job, (0,))
    assert not done.failures
    assert (job.kept / "fig4.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (job.kept / "fig4.svg").read_bytes()
    assert "results/fig4.svg" in job.page.read_text(encoding="utf-8")
    command.reproduce("fig5", job, (0,))
    page = job.page.read_text(encoding="utf-8")
    assert "| item vectors (CI as soft tokens) |" in page
    assert (job.kept / "fig5.svg").is_file()
    before = (job.kept / "attention.json").stat().st_mtime_ns
    command.reproduce("fig5", job, (0,))
    assert (job.kept / "attention.json").stat().st_mtime_ns == before
    (job.kept / "attention.json").write_text('{"models": {}, "found": []}', encoding="utf-8")
    command.reproduce("table2", job, (0,))
    assert "Figure 5" not in job.page.read_text(encoding="utf-8")  # made with other settings
    command.reproduce("fig5", job, (0,))
    assert "| item vectors (CI as soft tokens) |" in job.page.read_text(encoding="utf-8")


def test_the_signal_of_every_recommender_and_of_every_step_is_kept_and_shown(job: Reproduction, outcome: Any) -> None:
    command.reproduce("table2", job, (0,))
    done = command.reproduce("signal", job, (0,))
    assert not done.failures
    assert done.texts() == {}  # nothing that fits a terminal
    kept = read_signals([job.kept])
    assert {key: [one.seed for one in found] for key, found in kept.items()} == {"sasrec": [0], "score": [0]}
    whole, alone = kept["score"][0].signal, kept["sasrec"][0].signal
    assert whole == outcome.made.signal()
    assert (whole.spread, whole.rankings) == (alone.spread, alone.rankings)
    steps = {entry.source for entry in whole.counts} - {entry.source for entry in alone.counts}
    assert len(steps) == 5  # the retriever untuned and tuned; of its ten the first, SARE's and the oracle's
    assert {(one.source, one.split) for one in whole.differences} == {
        (source, split) for source in ("CAR", "SARE's choice among K_e") for split in ("train", "valid", "test")
    }
    assert alone.differences == []
    assert [entry for entry in whole.counts if entry.source not in steps] == alone.counts
    page = job.page.read_text(encoding="utf-8")
    assert "Is there a signal?" in page
    assert f"| SASRec | {whole.spread.interaction_share:.1%} |" in page
    assert "What found users know of the target, test rows" in page
    before = (job.kept / "signal" / "score-0.json").read_bytes()
    command.reproduce("signal", job, (0,), run=False)
    assert (job.kept / "signal" / "score-0.json").read_bytes() == before
    assert job.page.read_text(encoding="utf-8") == page


def test_a_signal_that_is_refused_takes_nothing_down(job: Reproduction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "TABLE_2", (SASREC._replace(changes=("crm.settings={n_heads=7}",)),))
    command.reproduce("table2", job, (0,))
    done = command.reproduce("signal", job, (0,))
    assert list(done.failures) == ["signal of sasrec"]
    assert list(read_signals([job.kept])) == ["score"]


def test_nothing_to_show_and_nonsense_are_errors(job: Reproduction) -> None:
    with pytest.raises(ArtifactError, match="no records to make a page of"):
        command.reproduce("table2", job, (0,), run=False)
    for text in ("", "a", "0,0", "-1"):
        with pytest.raises(ConfigError, match="seeds: wanted different whole numbers"):
            command.read_seeds(text)
    assert command.read_seeds("2,0") == [2, 0]
    job.kept.mkdir(parents=True)
    (job.kept / "score-seed0.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"score-seed0.json: no record of results \(key: Field required\)"):
        command.reproduce("table2", job, (0,))
    assert set(TABLES) == {"table2", "table3", "fig3", "fig4", "signal", "fig5", "checks", *BEYOND}
