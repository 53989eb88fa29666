"""The report's curves, as SVG images that travel inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scorerec.core.metrics import Floats, calibration_bins, checked
from scorerec.evaluate.results import SliceResult
from scorerec.evaluate.rows import JudgedRows

# Okabe and Ito's colours: told apart by colour-blind readers too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")


@dataclass(frozen=True)
class Plot:
    """One picture of the report.

    Attributes:
        title: stands above it.
        description: what it shows, for readers who do not see it.
        svg: a whole SVG document.
    """

    title: str
    description: str
    svg: str

    @property
    def is_wide(self) -> bool:
        """Whether it wants a line of its own."""
        return self.title in ("Scores", "Training")

    @property
    def source(self) -> str:
        """The picture as a ``data:`` address, for an img tag that fetches nothing."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()


def roc_plot(rows: JudgedRows, methods: Sequence[str] | None = None) -> Plot:
    """Draw the share of positives found against the share of negatives taken along, at every threshold.

    Args:
        rows: rows of both classes with scores.
        methods: which of them; None = all.
    """
    figure, axes = _canvas("share of negatives above the threshold", "share of positives above it")
    for method, colour in _chosen(rows, methods):
        false_positive, true_positive = _roc(rows, method)
        axes.plot(false_positive, true_positive, color=colour, linewidth=1.4, label=_label(method))
    return _plot(figure, "ROC", f"ROC curves on {rows.split} rows, one per method")


def calibration_plot(rows: JudgedRows, methods: Sequence[str] | None = None) -> Plot:
    """Draw the share of positives against the mean prediction in ten equal-mass bins.

    Methods whose scores are no probabilities are left out.

    Args:
        rows: rows with scores.
        methods: which of them; None = all.
    """
    figure, axes = _canvas("predicted probability", "share of positives")
    for method, colour in _chosen(rows, methods):
        scores = rows.scores[method]
        if np.all((scores >= 0) & (scores <= 1)):
            bins = calibration_bins(rows.labels, scores)
            label = _label(method)
            axes.plot(bins.predicted, bins.observed, "o-", color=colour, linewidth=1.2, markersize=3, label=label)
    return _plot(figure, "Calibration", f"Calibration on {rows.split} rows, one line per method")


def histogram_plot(rows: JudgedRows, methods: Sequence[str]) -> Plot:
    """Draw how the scores of liked and of other rows are spread, one picture per method.

    Args:
        rows: rows with scores.
        methods: which of them.
    """
    figure, places = _grid(len(methods))
    for axes, method in zip(places, methods, strict=True):
        scores = rows.scores[method]
        bins = np.linspace(scores.min(), scores.max() + 1e-9, 31).tolist()
        for label, name, colour in ((0, "not liked", COLOURS[1]), (1, "liked", COLOURS[0])):
            axes.hist(scores[rows.labels == label], bins, histtype="step", color=colour, label=name, density=True)
        axes.set_title(_label(method), fontsize=9)
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
        axes.locator_params(axis="x", nbins=5)
    return _plot(figure, "Scores", f"Histograms of the scores of liked and other {rows.split} rows")


def slice_plot(slices: Sequence[SliceResult], name: str, methods: Sequence[str]) -> Plot | None:
    """Draw the UAUC of methods over the parts of the rows whose names begin with ``name``; None where there are none.

    Args:
        slices: the metrics of every method on every slice.
        name: what the slices divide by.
        methods: which of them are drawn.
    """
    found = [result for result in slices if result.slice.startswith(f"{name}: ")]
    parts = list(dict.fromkeys(result.slice for result in found))
    if len(parts) < 2:
        return None
    with plot_style():
        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        axes = figure.add_subplot(xlabel=name, ylabel="UAUC")
    for number, method in enumerate(methods):
        values = {result.slice: result.uauc for result in found if result.method == method}
        heights = np.array([values[part] for part in parts], float)  # None becomes NaN, a gap
        axes.plot(range(len(parts)), heights, "o-", color=COLOURS[number % len(COLOURS)], label=_label(method))
    axes.set_xticks(range(len(parts)), [part.removeprefix(f"{name}: ") for part in parts])
    axes.spines[["top", "right"]].set_visible(False)
    return _plot(figure, f"UAUC by {name}", f"UAUC of each method by {name}")


@dataclass(frozen=True)
class Curve:
    """How one training went.

    Attributes:
        name: what was trained.
        losses: mean training loss, one per epoch or part of one.
        values: the measure on validation rows at the same moments; empty where none was computed.
        measure: what the values are; the best of them is what was kept.
    """

    name: str
    losses: Sequence[float]
    values: Sequence[float] = ()
    measure: str = "AUC"


def training_plot(curves: Sequence[Curve]) -> Plot:
    """Draw training loss and what each training was selected by on validation rows, one picture each."""
    figure, places = _grid(len(curves))
    for axes, curve in zip(places, curves, strict=True):
        axes.plot(
            range(1, len(curve.losses) + 1),
            curve.losses,
            "o-",
            markersize=5,
            color=COLOURS[7],
            label="training loss (left)",
        )
        axes.set_title(_label(curve.name), fontsize=9)
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        if curve.values:
            other = axes.twinx()
            other.spines["top"].set_visible(False)
            other.plot(range(1, len(curve.values) + 1), curve.values, ".-", color=COLOURS[0])
            other.tick_params(labelsize=7, colors=COLOURS[0])
            other.set_ylabel(curve.measure, fontsize=7, color=COLOURS[0])
            axes.plot([], [], ".-", color=COLOURS[0], label="on validation rows (right)")
    return _plot(figure, "Training", "Training loss, and AUC or NDCG on validation rows, of every training")


def _grid(n_pictures: int, n_columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Return a figure of small pictures side by side."""
    n_rows = -(-n_pictures // n_columns)
    with plot_style():
        figure = Figure(figsize=(8.4, 2.2 * n_rows), layout="constrained")
        places = [figure.add_subplot(n_rows, n_columns, number + 1) for number in range(n_pictures)]
    for axes in places:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, places


def _chosen(rows: JudgedRows, methods: Sequence[str] | None) -> list[tuple[str, str]]:
    names = list(rows.scores) if methods is None else list(methods)
    return [(name, COLOURS[index % len(COLOURS)]) for index, name in enumerate(names)]


def _roc(rows: JudgedRows, method: str) -> tuple[Floats, Floats]:
    """Points of the curve, thinned to 200 steps: no more can be seen."""
    label, score = checked(rows.labels, rows.scores[method])
    order = np.argsort(-score, kind="stable")
    is_last = np.append(np.diff(score[order]) != 0, True)  # last row of each run of equal scores
    found = np.cumsum(label[order])[is_last]
    taken = np.cumsum(~label[order])[is_last]
    false_positive = np.concatenate([[0.0], taken / max(1, (~label).sum())])
    true_positive = np.concatenate([[0.0], found / max(1, label.sum())])
    step = max(1, len(false_positive) // 200)
    kept = np.unique(np.append(np.arange(0, len(false_positive), step), len(false_positive) - 1))
    return false_positive[kept], true_positive[kept]


def _canvas(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    with plot_style():
        figure = Figure(figsize=(4.6, 4.2), layout="constrained")
        axes = figure.add_subplot(xlabel=x_label, ylabel=y_label, xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, linestyle="--")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _plot(figure: Figure, title: str, description: str) -> Plot:
    stream = io.StringIO()
    found = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    handles = {label: handle for handle, label in found}
    with plot_style():
        if handles:  # below the pictures: inside of them it would cover curves
            figure.legend(handles.values(), handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return Plot(title, description, stream.getvalue())


def plot_style() -> AbstractContextManager[None]:
    """Return the style of all pictures, for a with block."""
    # Ids from a fixed salt, and text as text: equal input gives equal bytes.
    return mpl.rc_context(
        {"svg.hashsalt": "scorerec", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
    )


def _label(method: str) -> str:
    # Matplotlib hides labels that begin with "_" and reads "$...$" as a formula.
    return " " + method.replace("$", r"\$") if method.startswith("_") else method.replace("$", r"\$")
