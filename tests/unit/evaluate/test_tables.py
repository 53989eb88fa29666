from __future__ import annotations

import csv

import pytest

from scorerec.evaluate import tables
from scorerec.evaluate.comparison import compare
from scorerec.evaluate.informativeness import evidence_informativeness
from scorerec.evaluate.rows import judged_rows
from scorerec.evaluate.slices import warm_and_cold


@pytest.fixture
def comparison(world):
    rows = judged_rows(world.interactions, world.targets, world.scores)
    slices = warm_and_cold(rows, world.interactions)
    return compare(rows, "SCORE", slices=slices, seconds={"SCORE": 1234.5}, n_resamples=20)


def test_headline(comparison):
    rows = tables.headline_rows(comparison)
    assert [row["method"] for row in rows] == ["item-mean", "item+user-mean", "SCORE"]
    assert rows[2]["AUC"] == "1.0000 [1.0000, 1.0000]"
    assert (rows[0]["seconds"], rows[2]["seconds"]) == ("–", "1,234")


def test_differences(comparison):
    rows = tables.difference_rows(comparison, "SCORE")
    assert [row["difference to SCORE"] for row in rows] == ["item-mean", "item+user-mean"]
    assert rows[0]["AUC"].startswith("-0.4583 [")
    rows = tables.difference_rows(comparison, "item-mean")
    assert [row["difference to item-mean"] for row in rows] == ["item+user-mean", "SCORE"]
    assert rows[1]["AUC"].startswith("+0.4583 [")


def test_slices(comparison):
    rows = {row["slice"]: row for row in tables.slice_rows(comparison)}
    assert rows["warm user"]["users counted"] == "2 of 3"
    assert rows["cold user"]["SCORE"] == "– / –"


def test_informativeness_has_a_column_per_split(world):
    found = evidence_informativeness(world.targets, world.candidates, world.behaviours, "candidates")
    rows = tables.informativeness_rows(found)
    assert list(rows[0]) == ["evidence", "feature", "train", "test"]
    assert rows[0]["train"] == "0.5000"


def test_markdown_keeps_a_cell_in_its_place():
    text = tables.markdown([{"a": "x|y\nz", "b": "1"}, {"a": "w"}])
    assert text.splitlines() == ["| a | b |", "| --- | ---: |", "| x\\|y z | 1 |", "| w | – |"]
    assert tables.markdown([]) == ""


def test_csv_has_full_precision_and_gaps():
    text = tables.as_csv([{"method": "a, b", "auc": 1 / 3}, {"method": "c", "uauc": None, "auc": 0.5}])
    assert list(csv.DictReader(text.splitlines())) == [
        {"method": "a, b", "auc": "0.3333333333333333", "uauc": ""},
        {"method": "c", "auc": "0.5", "uauc": ""},
    ]


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.0004, "< 0.001"), (0.25, "0.250")])
def test_p_values(value, text):
    assert tables.p_value(value) == text
