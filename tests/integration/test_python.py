"""The Python interface: every example of its page runs, on a small world, and says what the command line says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import scorerec
from scorerec.core.errors import DataError
from scorerec.data.synthetic import SyntheticWorld
from scorerec.experiment.config import load_experiment
from scorerec.serve import explain, python

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
WORLD = SyntheticWorld(n_users=40, n_items=800)  # with another threshold, too, neighbours are alike


@pytest.fixture(scope="module")
def tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    raw = WORLD.read(None)
    short = pl.col("item_id").str.strip_chars_start("0").replace("", "0")
    ratings = raw.ratings.select("user_id", short, "rating", "timestamp").with_columns(
        pl.col("user_id").replace("u0001", "ann")
    )
    return ratings, raw.items.with_columns(short)


@pytest.fixture(scope="module")
def page(
    experiment: Any, tables: tuple[pl.DataFrame, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Run the page's examples one after another; return what they defined."""
    small = [change for change in experiment.settings() if not change.startswith(("data.", "name="))]
    ratings, items = tables
    names = {"ratings": ratings, "items": items}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("python"))
        patch.setattr(
            python, "load_experiment", lambda preset, changes: load_experiment(f"{preset}-toy", small, changes)
        )
        for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
            if "columns=" in code:
                names["ratings"] = ratings.rename({"timestamp": "time"}).to_pandas()
            exec(code, names)
        names["folder"] = Path.cwd() / "runs"
    return names


def test_from_two_tables_to_scores(page: dict[str, Any], tables: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    model = scorerec.open_run(page["folder"] / "shop")
    metrics = {record["method"]: record for record in model.metrics}
    assert {"item-mean", "score"} < set(metrics)
    assert 0 < metrics["score"]["auc_low"] <= metrics["score"]["auc"] <= metrics["score"]["auc_high"]
    assert metrics["score"]["label"] == "SCORE"
    assert all(not isinstance(value, dict) for value in metrics["score"].values())
    scores = pl.DataFrame(model.scores(["score"]))
    assert scores.height == metrics["score"]["n_rows"]
    assert scores["method"].unique().to_list() == ["score"]
    assert (page["folder"] / "shop" / "report.html").is_file()


def test_a_user_gets_what_the_command_line_gives(page: dict[str, Any]) -> None:
    folder = page["folder"] / "shop"
    found = scorerec.open_run(folder).recommend("ann", count=3)
    assert found == explain.recommend(folder, ["ann"], 3)[0].items
    assert all(user.user_id != "ann" for item in found for user in item.evidence)


def test_pairs_are_scored_as_recommendations_are(page: dict[str, Any]) -> None:
    model = scorerec.open_run(page["folder"] / "shop")
    best = model.recommend("ann", count=4)
    pairs = pa.table({"user_id": ["ann"] * 4, "item_id": [item.item_id for item in reversed(best)]})
    assert model.score(pairs)["score"].to_pylist() == pytest.approx([item.p_yes for item in reversed(best)], abs=1e-6)


def test_a_new_user_has_the_history_that_was_given(page: dict[str, Any]) -> None:
    scores = page["scores"]
    assert scores.column_names == ["user_id", "item_id", "score"]
    assert scores["user_id"].to_pylist() == ["ann", "new"]
    assert scores["score"][0] != scores["score"][1]
    assert not {"1", "2", "3"} & {item.item_id for item in page["fresh"]}
    assert len(page["fresh"]) == 10


def test_settings_and_columns_reach_the_run(page: dict[str, Any]) -> None:
    run = python.Run.open(page["folder"] / "other")
    assert (run.config.seed, run.config.evidence.n_context_users, run.config.data.label.threshold) == (1, 3, 3)


def test_what_cannot_be_used_is_said(page: dict[str, Any], tmp_path: Path) -> None:
    model, wrong = scorerec.open_run(page["folder"] / "shop"), {"user_id": ["ann"]}
    with pytest.raises(DataError, match="pairs: no column item_id; it has user_id"):
        model.score(wrong)
    with pytest.raises(DataError, match="item 'x' is not in the catalogue"):
        model.score({**wrong, "item_id": ["x"]})
    with pytest.raises(DataError, match=r"no user 'nobody' in the data; .* give what they liked as history"):
        model.score({"user_id": ["nobody"], "item_id": ["7"]})
    with pytest.raises(DataError, match="ratings: wanted a table of pandas, polars or pyarrow, got int"):
        scorerec.fit(3, None, tmp_path / "run")
    with pytest.raises(DataError, match="items: wanted at least one row, found none"):
        scorerec.fit(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": []}), tmp_path / "run")
    with pytest.raises(DataError, match="no column 'user_id' for user_id; the file has"):
        scorerec.fit(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}), tmp_path / "run")


def test_importing_it_takes_no_time_and_no_torch() -> None:
    code = "import sys, scorerec; print('torch' in sys.modules, hasattr(scorerec, 'nothing'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
