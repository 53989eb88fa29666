"""The page of results: per-seed results are small files that are kept, and the page is rebuilt from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from scorerec.core.errors import ArtifactError
from scorerec.evaluate.results import Comparison, Informativeness
from scorerec.evaluate.seeds import over_seeds
from scorerec.evaluate.tables import (
    difference_rows,
    headline_rows,
    informativeness_rows,
    markdown,
    seed_rows,
    slice_rows,
    users_left_out,
)
from scorerec.experiment.stages.evaluation import RESULTS

_TITLE = "# Results\n"
_NOTE = "_Written by `scorerec results` from the files in `{folder}`, one per run and seed. Do not edit._\n"


def keep_results(run: Path, kept: Path) -> Path:
    """Copy the results of a finished run into the folder of kept results.

    Raises:
        ArtifactError: the run has no results yet.
    """
    path = run / RESULTS
    if not path.is_file():
        raise ArtifactError(f"{run}: no {RESULTS}; let the run come to its end first")
    results = json.loads(path.read_text(encoding="utf-8"))
    kept.mkdir(parents=True, exist_ok=True)
    name = f"{results['name']}-seed{results['comparison']['seed']}.json"
    (kept / name).write_bytes(path.read_bytes())
    return kept / name


def results_page(kept: Path) -> str:
    """Return the Markdown page of all kept results, one section per experiment.

    Raises:
        ArtifactError: nothing is kept.
        DataError: the seeds of one experiment were judged on different rows.
    """
    files = sorted(kept.glob("*.json"))
    if not files:
        raise ArtifactError(f"{kept}: no kept results; give the folder of a finished run")
    records = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    records.sort(key=lambda record: (record["name"], record["comparison"]["seed"]))
    parts = [_TITLE, _NOTE.format(folder=kept.name)]
    for name, group in groupby(records, key=lambda record: record["name"]):
        parts.extend(_section(str(name), list(group)))
    notes = kept.parent / "results-notes.md"
    if notes.is_file():  # what the numbers say, in somebody's words
        parts.append(notes.read_text(encoding="utf-8"))
    return "\n".join(parts)


def _section(name: str, records: Sequence[Mapping[str, Any]]) -> list[str]:
    comparisons = [Comparison.model_validate(record["comparison"]) for record in records]
    first = comparisons[0]
    evidence = [[Informativeness.model_validate(entry) for entry in record["informativeness"]] for record in records]
    seeds = ", ".join(str(comparison.seed) for comparison in comparisons)
    return [
        f"## {name}\n",
        f"Seeds {seeds}; {first.split} rows. {users_left_out(first.methods[0])}.\n",
        *(f"- Stand-in: {line}" for line in records[0]["stand_ins"]),
        f"- Machine: {records[0]['machine']}\n",
        "### Mean and deviation over seeds\n",
        markdown(seed_rows(over_seeds(comparisons))) + "\n",
        f"### Seed {first.seed}, with 95% intervals over {first.n_resamples:,} resamples of users\n",
        markdown(headline_rows(first)) + "\n",
        f"### Seed {first.seed}: paired differences on the same rows\n",
        markdown(difference_rows(first)) + "\n",
        f"### Seed {first.seed}: parts of the rows, AUC / UAUC\n",
        markdown(slice_rows(first)) + "\n",
        "### How informative the evidence alone is (AUC of a count, no model)\n",
        markdown(informativeness_rows(evidence[0])) + "\n",
        "### What the parts say of themselves\n",
        markdown(_part_rows(records)) + "\n",
    ]


def _part_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return held-out quality per seed, tuned against untuned, and validation AUC of what was tuned."""
    rows = []
    for record in records:
        facts, row = record["facts"], {"seed": str(record["comparison"]["seed"])}
        for key, value in facts["car"].items():
            if key.startswith("recall_at_"):
                row[f"CAR {key.replace('_', ' ')}"] = _tuned(value["untuned"]["final"], value["tuned"]["final"])
        quality = facts["sare"]["quality"]
        for measure in ("pairwise_accuracy", "ndcg", "spread", "contexts_changed"):
            row[f"SARE {measure.replace('_', ' ')}"] = _tuned(quality["untuned"][measure], quality["tuned"][measure])
        row["warnings"] = str(sum(len(part.get("warnings", ())) for part in facts.values()))
        rows.append(row)
    return rows


def _tuned(before: float, after: float) -> str:
    return f"{before:.3f} → {after:.3f}"
