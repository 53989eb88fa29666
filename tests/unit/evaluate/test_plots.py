from __future__ import annotations

import base64
from xml.etree import ElementTree

import numpy as np
import pytest

from scorerec.evaluate.plots import calibration_plot, roc_plot
from scorerec.evaluate.rows import JudgedRows, judged_rows


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
