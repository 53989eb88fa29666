"""Figure 5: attention over history, collaborative information and target, SCORE beside LLaRA."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from scorerec.core.artifacts import fingerprint
from scorerec.core.errors import ArtifactError
from scorerec.core.storage import replace_file
from scorerec.evaluate.plots import COLOURS, plot_style
from scorerec.evaluate.tables import NONE, markdown
from scorerec.experiment.attention import SPANS, STAGES_OF, Attention, Look, attend, sampled_test_rows
from scorerec.experiment.runner import Runner
from scorerec.reproduce.figures import Picture, picture

_NAMES = {"score": "SCORE", "llara": "LLaRA"}
_MOST_TICKS = 12
_CHARACTERS = 60  # that would fit side by side below the axis
_LEAST_HISTORY = 5  # titles of the row that is shown


def make_attention(runner: Runner, path: Path) -> None:
    """Compute what SCORE and LLaRA look at in one test row, and keep it in ``path``; not again for the same models."""
    own = attention_models(runner)
    if path.is_file() and _read(path).get("models") == own:
        return
    stages = [stage for method in _NAMES for stage in STAGES_OF[method]]
    run = runner.made("corpus", *stages)
    targets, queries = run.all_targets, run.queries
    lengths = dict(zip(queries["query_id"].to_pylist(), queries["n_before"].to_pylist(), strict=True))
    long = targets.filter([lengths[query] >= _LEAST_HISTORY for query in targets["query_id"].to_pylist()])
    (row,) = sampled_test_rows(long if long.num_rows else targets, 1)
    found = [attend(run, method, row["row_id"][0].as_py(), Look()) for method in _NAMES]
    replace_file(path, json.dumps({"models": own, "found": [entry.as_json() for entry in found]}) + "\n")


def attention_models(runner: Runner) -> dict[str, str]:
    """Return stage -> fingerprint of what decides Fig. 5."""
    return {stage: fingerprint(runner.identities[stage]) for method in _NAMES for stage in STAGES_OF[method]}


def read_attention(path: Path, models: Mapping[str, str] | None = None) -> list[Attention]:
    """Return what ``make_attention`` kept; nothing where it kept nothing.

    Args:
        path: where.
        models: what it must have been made with; None: whatever it was.

    Raises:
        ArtifactError: it was made with others, or cannot be read.
    """
    if not path.is_file():
        return []
    if models is not None and _read(path).get("models") != models:
        raise ArtifactError(f"{path}: made with other settings; scorerec reproduce fig5 makes it anew")
    return [Attention.from_json(entry) for entry in _read(path).get("found", [])]


def _read(path: Path) -> dict[str, Any]:
    """Return what is kept.

    Raises:
        ArtifactError: it cannot be read.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{path}: cannot be read ({error}); delete it, and it is made anew") from None
    return kept if isinstance(kept, dict) else {}  # an earlier form: a list


def attention_text(found: Sequence[Attention]) -> str:
    """Return the shares of the spans as a table, of the row and on the mean."""
    rows = []
    shown = {span: name for span, name in SPANS.items() if any(entry.mean_shares.get(span) for entry in found)}
    for span, name in shown.items():
        row = {"span": name}
        for entry in found:
            n_tokens = sum(token.kind == span for token in entry.tokens)
            method = _NAMES[entry.method]
            row[f"{method}: this row"] = f"{entry.shares[span]:.1%}" if n_tokens else NONE
            row[f"{method}: its tokens"] = str(n_tokens)
            row[f"{method}: mean of {entry.n_rows} rows"] = f"{entry.mean_shares.get(span, 0):.1%}"
        rows.append(row)
    return (
        f"Row {found[0].row_id}, drawn at random from the test rows of users who had liked five titles. Attention "
        "of the position where the answer is read, mean of all heads of the middle third of the layers.\n\n"
        + markdown(rows)
    )


def _strongest(shown: Attention) -> list[int]:
    """Return the places of the strongest tokens, none so near to a stronger one that their names would overlap."""
    chosen: list[int] = []
    for place in sorted(range(len(shown.tokens)), key=lambda place: -shown.tokens[place].weight):
        if len(chosen) < _MOST_TICKS and all(_CHARACTERS * abs(place - other) > len(shown.tokens) for other in chosen):
            chosen.append(place)
    return chosen


def attention_figure(found: Sequence[Attention]) -> Picture:
    """Draw the weight of every token, coloured by its span; one picture per method."""
    with plot_style():
        figure = Figure(figsize=(8.4, 2.6 * len(found)), layout="constrained")
        places = [figure.add_subplot(len(found), 1, number + 1) for number in range(len(found))]
    colours = {span: COLOURS[place % len(COLOURS)] for place, span in enumerate(SPANS)}
    for axes, entry in zip(places, found, strict=True):
        for span, name in SPANS.items():
            at = [place for place, token in enumerate(entry.tokens) if token.kind == span]
            if at:
                label = f"{name}: {entry.shares[span]:.0%}"
                axes.bar(at, [entry.tokens[place].weight for place in at], 1.0, color=colours[span], label=label)
        strongest = _strongest(entry)
        texts = [entry.tokens[place].text.strip()[:18].replace("$", r"\$") for place in strongest]
        axes.set_xticks(strongest, texts, rotation=60, ha="right", fontsize=6)
        axes.set_title(_NAMES[entry.method], fontsize=9)
        axes.set_ylabel("attention")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return picture("fig5", "Attention on each token of a test prompt, SCORE above LLaRA, coloured by span", figure)
