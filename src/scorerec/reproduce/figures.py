"""Figures 3 and 4 as pictures, with intervals."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scorerec.evaluate.plots import COLOURS, plot_style
from scorerec.evaluate.significance import METRICS
from scorerec.reproduce.plan import K_E, K_S, REFERENCES
from scorerec.reproduce.summary import Line

_REFERENCE_NAMES = [row.name for row in REFERENCES]


@dataclass(frozen=True)
class Picture:
    """A figure in two forms; ``name`` is that of its files."""

    name: str
    description: str
    svg: bytes
    png: bytes


def picture(name: str, description: str, figure: Figure) -> Picture:
    """Save a figure in both forms; equal figures give equal bytes.

    Args:
        name: of the files, without ending.
        description: for those who do not see it.
        figure: is left open.
    """
    forms = {}
    for form in ("svg", "png"):
        stream = io.BytesIO()
        with plot_style():
            figure.savefig(stream, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
        forms[form] = stream.getvalue()
    return Picture(name, description, forms["svg"], forms["png"])


def variants_figure(lines: Sequence[Line]) -> Picture:
    """Draw AUC and UAUC of the variants of SCORE, of controls and references, with intervals."""
    figure, places = _beside()
    for axes, metric in zip(places, METRICS, strict=True):
        for place, line in enumerate(reversed(lines)):
            spread = line.spreads[metric]
            if spread is None:
                continue
            colour = COLOURS[0] if line.row.key == "score" else COLOURS[7]
            interval = spread.interval
            errors = (
                [[max(0.0, spread.mean - interval.low)], [max(0.0, interval.high - spread.mean)]] if interval else None
            )
            axes.errorbar(spread.mean, place, xerr=errors, fmt="o", color=colour, capsize=2, markersize=4)
        axes.set_yticks(range(len(lines)), [line.row.name for line in reversed(lines)])
        axes.set_xlabel(metric.upper())
        axes.grid(axis="x", color="#eeeeee")
    places[1].set_yticklabels([])
    return picture(
        "fig3", "AUC and UAUC of SCORE's variants, of controls and of references, with 95% intervals", figure
    )


def varied_figure(by_name: Mapping[str, Line], k_e: int, k_s: int) -> Picture:
    """Draw AUC and UAUC against K_e and K_s; the references as level lines.

    Args:
        by_name: name of a row -> its line; points without one are left out.
        k_e: users retrieved while K_s varies.
        k_s: users shown while K_e varies.
    """
    figure, places = _beside()
    sweeps = [
        (places[0], f"K_e, users retrieved (K_s = {k_s})", {n: f"K_e = {n}, K_s = {k_s}" for n in K_E}),
        (places[1], f"K_s, users shown (K_e = {k_e})", {n: f"K_e = {k_e}, K_s = {n}" for n in K_S}),
    ]
    for axes, label, points in sweeps:
        for metric, colour in zip(METRICS, (COLOURS[0], COLOURS[1]), strict=True):
            found = {
                n: spread for n, name in points.items() if name in by_name and (spread := by_name[name].spreads[metric])
            }
            if found:
                axes.plot(
                    list(found), [spread.mean for spread in found.values()], "o-", color=colour, label=metric.upper()
                )
                bounds = [spread.interval for spread in found.values() if spread.interval]
                if len(bounds) == len(found):
                    low, high = [bound.low for bound in bounds], [bound.high for bound in bounds]
                    axes.fill_between(list(found), low, high, color=colour, alpha=0.12, linewidth=0)
            for name, style in zip(_REFERENCE_NAMES, (":", "--"), strict=True):
                level = by_name[name].mean(metric) if name in by_name else None
                if level is not None:
                    axes.axhline(level, color=colour, linestyle=style, linewidth=0.9, label=f"{metric.upper()}, {name}")
        axes.set_xlabel(label)
        axes.set_xticks(list(points))
    if places[0].get_legend_handles_labels()[0]:
        places[0].legend(frameon=False, fontsize=7)
    return picture("fig4", "AUC and UAUC of SCORE against K_e and K_s, with 95% intervals", figure)


def _beside() -> tuple[Figure, list[Axes]]:
    with plot_style():
        figure = Figure(figsize=(8.4, 3.4), layout="constrained")
        places = [figure.add_subplot(1, 2, number) for number in (1, 2)]
    for axes in places:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, places
