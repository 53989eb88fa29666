"""Which settings of the LLM are worth their seconds? Tuned one after another, and compared on the validation rows.

python benchmarks/choices.py ml-1m --set data.path=FOLDER --try llm.epochs=1 --try llm.epochs=2 llm.batch_size=8

The preset alone is the first row; a `--try` is another, with its settings changed, or those of another preset where its
first word is the name of one. No test row is read. Beside them stand the item mean and, where the first row shows
verdicts, the regression on their counts. What selects an epoch is a part of these rows: a little is won by that, by all
alike. *Rows seen* and *seconds* are of the tuning; `--curve FILE` draws AUC against them, and `--looks ROWS` adds how
far p(Yes) moves where the target is named among similar users' titles, or the verdicts on it are turned round
(`reading.py`). *Passed on*: how far the order of scores within users is that of the opinions told. What a score costs
stands beside: tokens of a prompt, milliseconds here, and with `--price` (of a million tokens, anywhere) money per 1,000
scores.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure
from reading import TUNED, looks
from rich.console import Console
from rich.table import Table

from scorerec.core.columns import N_TOKENS
from scorerec.core.tables import SCORES
from scorerec.evaluate.comparison import compare
from scorerec.evaluate.health import within_correlation
from scorerec.evaluate.plots import COLOURS, plot_style
from scorerec.evaluate.results import Comparison
from scorerec.evaluate.rows import judged_rows
from scorerec.evaluate.tables import difference_rows, headline_rows
from scorerec.experiment.config import load_experiment, presets
from scorerec.experiment.plan import stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Runner
from scorerec.experiment.stages.evaluation import told_probabilities
from scorerec.experiment.stages.judged import with_method

SPLIT = "valid"
REFERENCES = ("references", "scores-counts")  # stages; the second is there where verdicts are shown
AS_IT_IS = "the preset"


def main() -> None:
    """Print one table of all trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of all rows")
    parser.add_argument("--try", nargs="+", action="append", default=[], metavar="KEY=VALUE", dest="trials")
    parser.add_argument("--method", default="score", help="whose prompts and LM")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--curve", type=Path, metavar="FILE", help="a picture of AUC against rows seen and seconds")
    parser.add_argument("--looks", type=int, default=0, metavar="ROWS", help="rows whose evidence is changed")
    parser.add_argument("--price", type=float, metavar="MONEY", help="of a million tokens that an LLM reads")
    parser.add_argument("--json", action="store_true", help="print one object per row instead")
    given = parser.parse_args()
    facts: dict[str, dict[str, Any]] = {}
    tables: list[pa.Table] = []
    trials = {}
    for changes in ([], *given.trials):
        preset, own = (changes[0], changes[1:]) if changes and changes[0] in presets() else (given.preset, changes)
        trials[" ".join(changes) or AS_IT_IS] = preset, [*given.set, *own]
    require_same_rows(trials)
    for name, (preset, changes) in trials.items():
        run = tuned(preset, changes, given.method, given.out)
        tables = tables or [run.table(name, SCORES) for name in REFERENCES if name in run.artifacts]
        found_scores, cost = scored(run, given.method, given.price)
        tables.append(with_method(found_scores, name))
        facts[name] = {"preset": preset} | facts_of(run, given.method) | cost
        facts[name] |= passed_on(run, given.method, tables[-1])
        if given.looks:
            facts[name] |= {look.what: look.cells()[4] for look in looks(run, given.method, TUNED, given.looks, SPLIT)}
        found = compare(judged_rows(run.interactions, run.all_targets, tables, SPLIT), AS_IT_IS)
        if given.json:
            for row in rows(found, facts):
                if row["method"] == name or len(facts) == 1:
                    print(json.dumps(row), flush=True)
    if not given.json:
        show(list(rows(found, facts)))
    if given.curve:
        draw(found, facts, given.curve)


def require_same_rows(trials: Mapping[str, tuple[str, Sequence[str]]]) -> None:
    """Refuse trials that judge other rows, before anything is tuned."""
    configs = [load_experiment(*trial) for trial in trials.values()]
    settled: dict[str, set[int | None]] = {
        "corpus.max_valid_targets": {config.corpus.max_valid_targets for config in configs},
        "corpus.draw_together": {config.corpus.draw_together for config in configs},
        "seed": {config.seed for config in configs},
    }
    for setting, values in settled.items():
        if len(values) > 1:
            came = ", ".join(sorted(map(str, values)))
            raise SystemExit(f"wanted the same validation rows, came {setting} of {came}; --set {setting}=... for all")


def tuned(preset: str, changes: Sequence[str], method: str, root: Path) -> Run:
    """Return what a run makes up to the tuned LM of a method, and the references that it has."""
    config = load_experiment(preset, changes)
    if method not in config.methods:
        config = load_experiment(preset, [*changes, f"methods={json.dumps([*config.methods, method])}"])
    runner = Runner(stages_of(config), config, root)
    return runner.made(*(name for name in REFERENCES if name in runner.stages), f"tuned-{method}")


def scored(run: Run, method: str, price: float | None) -> tuple[pa.Table, dict[str, Any]]:
    """Return scores of the validation rows by the tuned LM of a method, and what a score costs."""
    scorer = run.lm(f"tuned-{method}", run.config.scoring.exact_answers)
    prompts, begin = run.prompts(f"prompts-{method}", SPLIT), time.perf_counter()
    scores = scorer.score(prompts)
    took, tokens = time.perf_counter() - begin, pc.mean(scores[N_TOKENS]).as_py()
    cost = {"tokens per score": round(tokens, 1), "ms per score": round(1000 * took / scores.num_rows, 1)}
    return scores, cost | ({} if price is None else {"money per 1,000": round(tokens * price / 1000, 5)})


def passed_on(run: Run, method: str, scores: pa.Table) -> dict[str, Any]:
    """Return how much of the order of what it is told an LM passes on; nothing where it is told no opinion."""
    rows = judged_rows(run.interactions, run.all_targets, [scores], SPLIT)
    told = told_probabilities(run, f"scores-{method}", rows)
    if told is None:
        return {}
    found = within_correlation(rows.users, next(iter(rows.scores.values())), told)
    return {"passed on": None if found is None else round(found, 3)}


def facts_of(run: Run, method: str) -> dict[str, Any]:
    """Return what a tuning says of itself."""
    artifact = run.artifact(f"tuned-{method}")
    known = {"seconds": round(artifact.manifest["seconds"])}
    names = ("rows_seen", "validation_aucs")
    return known | {name: artifact.facts[name] for name in names if name in artifact.facts}


def rows(found: Comparison, facts: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the metrics of each method, its difference to the preset, and what its tuning told."""
    apart = {row[f"difference to {AS_IT_IS}"]: row for row in difference_rows(found, AS_IT_IS)}
    for row in headline_rows(found):
        name = row["method"]
        shown = {key: row[key] for key in ("method", "AUC", "UAUC", "log loss")}
        yield shown | {"AUC - preset": apart[name]["AUC"] if name in apart else "–"} | facts.get(name, {})


def show(found: Sequence[dict[str, Any]]) -> None:
    """Print rows as a table; what some lack stays empty there."""
    names = list(dict.fromkeys(name for row in found for name in row))
    table = Table(*names)
    for row in found:
        table.add_row(*(str(row.get(name, "")) for name in names))
    Console(width=200).print(table)


def draw(found: Comparison, facts: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw AUC and its interval against what tuning took, a line per preset; the references are broken lines."""
    with plot_style():
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        places = figure.subplots(1, 2, sharey=True)
        for axes, fact in zip(places, ("rows_seen", "seconds"), strict=True):
            axes.set(xscale="log", xlabel=f"{fact.replace('_', ' ')} in tuning")
            axes.spines[["top", "right"]].set_visible(False)
            lines: dict[str, list[tuple[float, float, float, float]]] = {}
            for one in found.methods:
                if fact in facts.get(one.method, {}) and one.auc is not None and one.auc_interval is not None:
                    low, high = one.auc - one.auc_interval.low, one.auc_interval.high - one.auc
                    told = facts[one.method]
                    lines.setdefault(told["preset"], []).append((told[fact], one.auc, low, high))
            for (preset, points), colour in zip(lines.items(), COLOURS, strict=False):
                took, heights, *bars = zip(*sorted(points), strict=True)
                axes.errorbar(took, heights, bars, fmt="o-", color=colour, capsize=2, label=preset)
            for one in found.methods:
                if one.auc is not None and (style := {"item-mean": "--", "counts": ":"}.get(one.method)):
                    axes.axhline(one.auc, color="#777777", linestyle=style, label=one.method)
        places[0].set_ylabel(f"AUC on {found.split} rows")
        figure.legend(*places[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path)


if __name__ == "__main__":
    main()
