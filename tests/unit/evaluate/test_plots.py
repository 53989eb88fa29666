from __future__ import annotations

import base64
from xml.etree import ElementTree

import numpy as np
import pytest

from scorerec.evaluate.plots import (
    Curve,
    calibration_plot,
    histogram_plot,
    roc_plot,
    slice_plot,
    training_plot,
)
from scorerec.evaluate.rows import JudgedRows, judged_rows
from scorerec.evaluate.slices import Slice, measure_slices


@pytest.fixture
def rows(world) -> JudgedRows:
    return judged_rows(world.interactions, world.targets, world.scores)


@pytest.mark.parametrize("draw", [roc_plot, calibration_plot])
def test_a_plot_is_one_svg_document_with_its_methods(rows, draw):
    plot = draw(rows)
    texts = "".join(ElementTree.fromstring(plot.svg).itertext())
    assert all(method in texts for method in rows.scores)
    assert base64.b64decode(plot.source.partition(",")[2]).decode() == plot.svg


@pytest.mark.parametrize("draw", [roc_plot, calibration_plot])
def test_equal_rows_give_equal_bytes(rows, draw):
    assert draw(rows).svg == draw(rows).svg


def test_names_are_shown_as_they_are(rows):
    named = JudgedRows(**{**vars(rows), "scores": {"_a<b>$x$": rows.scores["SCORE"]}})
    assert "_a<b>$x$" in "".join(ElementTree.fromstring(roc_plot(named).svg).itertext())


def test_scores_that_are_no_probabilities_have_no_calibration(rows):
    raw = JudgedRows(**{**vars(rows), "scores": {"raw": np.arange(7.0) + 5}})
    assert "raw" not in "".join(ElementTree.fromstring(calibration_plot(raw).svg).itertext())


def test_many_rows_make_a_small_picture():
    random = np.random.default_rng(0)
    names = tuple(map(str, range(20_000)))
    labels = random.integers(0, 2, 20_000).astype(np.int8)
    scores = {"m": random.random(20_000)}
    rows = JudgedRows("test", names, names, names, np.arange(20_000), labels, scores)
    assert len(roc_plot(rows).svg) < 40_000


def words(plot) -> str:
    return " ".join(ElementTree.fromstring(plot.svg).itertext())


def test_scores_are_drawn_apart_by_label_for_each_method(rows):
    plot = histogram_plot(rows, ["SCORE", "item-mean"])
    assert all(name in words(plot) for name in ("SCORE", "item-mean", "liked", "not liked"))
    assert plot.is_wide
    assert histogram_plot(rows, ["SCORE"]).svg == histogram_plot(rows, ["SCORE"]).svg


def test_parts_are_drawn_in_their_order(rows):
    half = np.arange(7) < 4
    slices = measure_slices(rows, [Slice("liked before: 0 to 3", half), Slice("liked before: 4 to 9", ~half)])
    plot = slice_plot(slices, "liked before", ["SCORE"])
    assert plot is not None
    assert words(plot).index("0 to 3") < words(plot).index("4 to 9")
    assert slice_plot(slices, "training rows", ["SCORE"]) is None


def test_every_training_has_its_picture():
    plot = training_plot(
        [Curve("crm", [0.7, 0.6], [0.5, 0.6]), Curve("car", [3.0]), Curve("a", [1.0]), Curve("b", [1.0])]
    )
    assert all(name in words(plot) for name in ("crm", "car", "AUC", "on validation rows (right)", "training loss"))


def test_a_training_shows_what_it_was_selected_by():
    texts = words(training_plot([Curve("crm", [0.7, 0.6], [0.1, 0.2], "NDCG@20")]))
    assert "NDCG@20" in texts
    assert "AUC" not in texts


def test_a_legend_stands_below_the_curves_and_names_everything_once(rows):
    texts = words(training_plot([Curve("a", [0.7, 0.6], [0.5, 0.6]), Curve("b", [0.7, 0.6], [0.5, 0.6])]))
    assert texts.count("training loss") == 1
    for plot in (roc_plot(rows), histogram_plot(rows, ["SCORE"]), training_plot([Curve("a", [1.0, 0.5], [0.5, 0.6])])):
        found = {name: {group.get("id") for group in part.iter()} for name, part in groups(plot).items()}
        assert "legend_1" in found["figure_1"]
        assert all("legend_1" not in inside for name, inside in found.items() if name.startswith("axes_"))


def groups(plot) -> dict[str, ElementTree.Element]:
    return {part.get("id"): part for part in ElementTree.fromstring(plot.svg).iter() if part.get("id")}
