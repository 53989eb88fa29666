"""The commands as they are typed: what they print, what they write, and how they fail."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
import typer

from scorerec import cli
from scorerec.core.tables import INTERACTIONS, ITEMS
from scorerec.experiment import complete

USERS, ITEM_IDS = ["007", "8", "ann"], [f"{number:02d}" for number in range(1, 9)]
CONFIG = """
[data]
source = {{ name = "tabular", lists = {{ genres = "|" }} }}
path = "{folder}"
split = {{ by = "time-fractions", train = 0.5, valid = 0.25 }}
"""


class Printed(NamedTuple):
    """What one command did."""

    status: int
    out: str
    err: str


Command = Callable[..., Printed]


@pytest.fixture
def scorerec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run a command in this process, from an empty folder, as the console script does."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> Printed:
        monkeypatch.setattr(sys, "argv", ["scorerec", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Printed(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a configuration file beside a tiny CSV pair: 24 ratings of 3 users, a quarter of them disliked."""
    lines = ["user_id,item_id,rating,timestamp"]
    for number, item in enumerate(ITEM_IDS):
        lines += [
            f"{user},{item},{2 if number % 4 == place else 5},{100 * number + place}"
            for place, user in enumerate(USERS)
        ]
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    items = [f'{item},"Title {item}, The",Drama|War' for item in ITEM_IDS]
    (tmp_path / "items.csv").write_text("\n".join(["item_id,title,genres", *items]) + "\n", encoding="utf-8")
    path = tmp_path / "shop.toml"
    path.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    return path


def test_prepare_writes_the_tables(scorerec: Command, shop: Path, tmp_path: Path) -> None:
    done = scorerec("prepare", shop, "--out", tmp_path / "tables")
    assert done.status == 0
    assert "by time over all rows: the first 50% train" in done.out
    interactions = INTERACTIONS.check(pq.read_table(tmp_path / "tables" / "interactions.parquet"))
    items = ITEMS.check(pq.read_table(tmp_path / "tables" / "items.parquet"))
    assert interactions.num_rows == 24
    assert set(interactions["user_id"].to_pylist()) == set(USERS)
    assert items["title"].to_pylist()[0] == "Title 01, The"
    assert items["genres"].to_pylist()[0] == ["Drama", "War"]


def test_prepare_prints_the_papers_counts_beside_ours(scorerec: Command, shop: Path) -> None:
    done = scorerec("prepare", shop, "--set", "expected=games")
    assert "label = 1 where rating >= 4; all rows; by time" in done.out
    assert "Read 24 rows; left out: nothing" in done.out
    assert "Beside Table 1 of the paper:" in done.out
    assert re.search(r"valid rows\W+6\W+14423\W+-14417", done.out)


def test_prepare_proposes_a_threshold_where_nobody_likes_anything(scorerec: Command, shop: Path) -> None:
    done = scorerec("prepare", shop, "--set", "data.label.threshold=5.5")
    assert done.status == 1
    assert "found liked: train 0%, valid 0%, test 0% (label = 1 where rating >= 5.5)" in done.err
    assert "the ratings run from 2 to 5 (2 values), and data.label.threshold = 5 would make" in done.err
    assert "Traceback" not in done.err
    assert not Path("prepared").exists()


def test_prepare_says_that_a_place_cannot_be_written(scorerec: Command, shop: Path, tmp_path: Path) -> None:
    done = scorerec("prepare", shop, "--out", tmp_path / "ratings.csv" / "tables")
    assert done.status == 1
    assert f"ArtifactError: {tmp_path}/ratings.csv/tables: cannot be written" in done.err
    assert "choose another folder" in done.err


def test_prepare_for_programs(scorerec: Command, shop: Path) -> None:
    done = scorerec("prepare", shop, "--json")
    notes = json.loads(done.out)
    parts = notes["parts"]
    rates = {"train": 0.75, "valid": 0.6667, "test": 0.8333}  # 3 of 12, 2 of 6 and 1 of 6 are disliked
    assert notes["expected"] is None
    assert {name: part["rows"] for name, part in parts.items()} == {"train": 12, "valid": 6, "test": 6}
    assert {name: part["positive_rate"] for name, part in parts.items()} == rates
    assert Path("prepared/interactions.parquet").is_file()


def test_evaluate_for_programs(scorerec: Command, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("user_id,label,score\n007,1,0.9\n007,0,0.2\n8,1,0.4\n8,0,0.6\n9,1,0.7\n", encoding="utf-8")
    done = scorerec("evaluate", "--predictions", path, "--json")
    assert done.status == 0
    result = json.loads(done.out)
    assert result["auc"] == pytest.approx(5 / 6)  # of 3 x 2 pairs only (0.4, 0.6) stands the wrong way round
    assert result["uauc"] == pytest.approx(0.5)  # 007 has 1, 8 has 0, and 9 has one label only
    assert result["file"] == str(path)


def test_run_to_a_stage_then_status(scorerec: Command, shop: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert {stage["state"] for stage in statuses(scorerec, shop, runs)} == {"missing"}
    done = scorerec("run", shop, "--out", runs, "--to", "data")
    assert done.status == 0
    assert "Stopped after stage data, as asked." in done.out
    assert done.err.split()[:2] == ["ran", "data"]
    found = {stage["stage"]: stage["state"] for stage in statuses(scorerec, shop, runs)}
    assert found.pop("data") == "done"
    assert set(found.values()) == {"missing"}
    again = scorerec("run", shop, "--out", runs, "--to", "data")
    assert again.err.split()[:2] == ["done", "data"]
    table = scorerec("status", shop, "--out", runs)
    assert "data" in table.out
    assert "corpus" in table.out


def statuses(scorerec: Command, shop: Path, runs: Path) -> list[dict[str, str]]:
    done = scorerec("status", shop, "--out", runs, "--json")
    assert done.status == 0
    result: list[dict[str, str]] = json.loads(done.out)
    return result


@pytest.mark.parametrize("command", ["prepare", "run", "status"])
def test_an_unknown_preset_is_one_line(scorerec: Command, command: str) -> None:
    done = scorerec(command, "ml-2m")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("ConfigError: 'ml-2m': neither a preset (games, games-paper, ml-1m,")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("evidence.n_candidate=3", "evidence.n_candidate: no such setting; known here: beside, force, forms, "),
        ("evidenc.n_candidates=3", "evidenc: no such setting; known here: assess, "),
        ("crm.settings.dropuot=0.1", "dropuot: no such setting"),
        ("data.split.trian=0.5", "trian: no such setting"),
        ("data.source.nmae=x", "nmae: no such setting"),
        ("evidence.n_candidates=many", "evidence.n_candidates: Input should be a valid integer"),
        ("evidence.n_candidates", "wanted KEY=VALUE"),
    ],
)
def test_a_misspelt_setting_is_named(scorerec: Command, shop: Path, change: str, named: str) -> None:
    done = scorerec("status", shop, "--set", change)
    assert done.status == 1
    assert named in done.err
    assert done.err.startswith("ConfigError: ")
    assert done.err.count("\n") == 1


def test_faults_of_the_data_are_one_line(scorerec: Command, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user_id,item_id,rating,timestamp\n007,01,[b]five[/b],1\n", encoding="utf-8")
    done = scorerec("prepare", shop)
    assert done.status == 1
    assert f"DataError: {tmp_path}/ratings.csv, row 2: rating cannot be read: '[b]five[/b]'" in done.err
    assert done.err.count("\n") == 1
    (tmp_path / "ratings.csv").unlink()
    assert "ratings.csv: no such file" in scorerec("status", shop).err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run", "ml-1m-toy", "--to", "nowhere", "--set", "data.source=synthetic"), "no stage 'nowhere'"),
        (("report", "runs/nothing"), "runs/nothing: no run here"),
        (("evaluate", "--predictions", "nothing.csv"), "nothing.csv"),
        (("status", "nothing.toml"), "nothing.toml: no such configuration file"),
    ],
)
def test_what_is_not_there_is_named(scorerec: Command, arguments: tuple[str, ...], named: str) -> None:
    done = scorerec(*arguments)
    assert done.status == 1
    assert named in done.err
    assert done.err.count("\n") == 1


def test_wrong_usage_is_status_2(scorerec: Command) -> None:
    assert scorerec("run").status == 2
    assert scorerec("evaluate", "--jason").status == 2


def test_help_names_every_command(scorerec: Command) -> None:
    done = scorerec("--help")
    assert done.status == 0
    names = set(typer.main.get_command(cli.app).commands)
    assert {"prepare", "run", "cost", "add", "forget", "compare", "scores", "reproduce", "attention"} < names
    assert [name for name in names if name not in done.out] == []


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_an_unexpected_error_is_a_bug_and_status_70(
    scorerec: Command, monkeypatch: pytest.MonkeyPatch, debug: tuple[str, ...]
) -> None:
    monkeypatch.setattr("scorerec.experiment.actions.experiment_status", lambda *_: {}["no such key"])
    done = scorerec(*debug, "status", "ml-1m")
    assert (done.status, done.out) == (70, "")
    assert "Unexpected KeyError: 'no such key'. This is a bug: please report it" in done.err
    assert ("Traceback" in done.err) == bool(debug)


def test_debug_shows_where_an_expected_error_comes_from(scorerec: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOREREC_DEBUG", "1")
    done = scorerec("status", "ml-2m")
    assert done.status == 1
    assert "Traceback" in done.err
    assert "load_experiment" in done.err


def test_an_interrupted_command_says_that_nothing_is_lost(scorerec: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scorerec.experiment.actions.run_experiment", interrupted)
    done = scorerec("run", "ml-1m-toy")
    assert done.status == 130
    assert done.err == "Interrupted. What was finished is kept; the same command goes on from there\n"


def test_two_runs_are_compared_and_their_scores_written(scorerec: Command, shop: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name, change in (("a", "seed=0"), ("b", "evidence.n_candidates=7")):
        done = scorerec("run", shop, "--out", runs, "--to", "references", "--set", f"name={name}", "--set", change)
        assert done.status == 0, done.err
    compared = json.loads(scorerec("compare", runs / "a", runs / "b", "--json").out)
    assert compared["settings"] == {"name": ["a", "b"], "evidence.n_candidates": [10, 7]}
    assert (compared["n_rows"], compared["n_users"], compared["only_first"]) == (6, 3, 0)
    assert {(pair["key"], pair["difference"]["value"]) for pair in compared["pairs"]} >= {("item-mean", 0.0)}
    table = scorerec("compare", runs / "a", runs / "b").out
    assert "6 test rows of 3 users, judged by both" in table
    assert "evidence.n_candidates: 10 -> 7" in table

    out = tmp_path / "scores.csv"
    assert f"12 scores written to {out}" in scorerec("scores", runs / "a", "--out", out).out
    header, *lines = out.read_text(encoding="utf-8").splitlines()
    assert header == "row_id,user_id,item_id,timestamp,split,label,method,score"
    assert len(lines) == 12
    assert "is there already" in scorerec("scores", runs / "a", "--out", out).err
    assert "with --method" in scorerec("evaluate", "--predictions", out).err
    read = json.loads(scorerec("evaluate", "--predictions", out, "--method", "item-mean", "--json").out)
    assert read["n_rows"] == 6
    assert read["auc"] == pytest.approx(next(pair["first"] for pair in compared["pairs"] if pair["metric"] == "auc"))
    assert "wanted a file that ends in .csv or .parquet" in scorerec("scores", runs / "a", "--out", "x.xlsx").err
    assert "no method magic; it has" in scorerec("scores", runs / "a", "--out", "x.csv", "--method", "magic").err
    missing = scorerec("scores", runs / "a", "--out", "x.csv", "--method", "score")
    assert "score has no scores yet; `scorerec run --to scores-score` first" in missing.err

    ratings = (tmp_path / "ratings.csv").read_text(encoding="utf-8")
    (tmp_path / "ratings.csv").write_text(ratings.replace("\n8,", "\nbob,"), encoding="utf-8")
    scorerec("run", shop, "--out", runs, "--to", "references", "--set", "name=c")
    assert "user_id is '8' in" in scorerec("compare", runs / "a", runs / "c").err


def test_the_shell_offers_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "run.json").touch()
    (tmp_path / "mine.toml").touch()
    assert complete.sources("ml-1m") == ["ml-1m", "ml-1m-paper", "ml-1m-toy"]
    assert complete.sources("mi") == ["mine.toml"]
    assert complete.runs("r") == ["runs/"]
    assert complete.runs("runs/") == ["runs/one"]
    assert complete.settings("evidence.n_c") == ["evidence.n_candidates=", "evidence.n_context_users="]
    assert complete.settings("sare.reading=") == ["sare.reading=cross-encoder", "sare.reading=bi-encoder"]
    assert complete.stages("candidates") == ["candidates", "candidates-base", "candidates-cf"]
    assert complete.methods("coll") == ["collm"]


def test_a_real_process_ends_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from scorerec.cli import main; main()", "run", "ml-2m"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "neither a preset" in done.stderr
    assert list(tmp_path.iterdir()) == []
