"""The signal beside the tables: kept per recommender and seed, and shown as means over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from scorerec.core.artifacts import fingerprint
from scorerec.core.errors import ArtifactError
from scorerec.core.storage import replace_file
from scorerec.evaluate.results import Result, Signal, SourceDifference, UserCount
from scorerec.evaluate.signal import COMPARED
from scorerec.evaluate.tables import NONE, TableRow, markdown, number
from scorerec.experiment.plan import SIGNAL_OF_CRM
from scorerec.experiment.runner import Runner

_FOLDER = "signal"
WHOLE, OF_CRM = "signal", SIGNAL_OF_CRM.name  # stages: of SCORE, with every step; of another recommender alone


class KeptSignal(Result):
    """What one run of one seed measured."""

    key: str = Field(description="of the row of Table 2")
    seed: int
    fingerprint: str = Field(description="of the stage that measured")
    signal: Signal


def keep_signal(runner: Runner, stage: str, key: str, kept: Path) -> None:
    """Measure, and keep what was measured.

    Args:
        runner: of the row and seed.
        stage: ``WHOLE`` or ``OF_CRM``.
        key: of the row.
        kept: the folder of records.
    """
    seed = runner.config.seed
    run = _measuring(runner).made(stage)
    found = KeptSignal(key=key, seed=seed, fingerprint=run.artifact(stage).fingerprint, signal=run.signal(stage))
    replace_file(kept / _FOLDER / f"{key}-{seed}.json", found.model_dump_json() + "\n")


def is_current(one: KeptSignal, runner: Runner, stage: str) -> bool:
    """Whether a signal was measured with the present settings.

    Args:
        one: what was measured.
        runner: of the row and seed, with the present settings.
        stage: ``WHOLE`` or ``OF_CRM``.
    """
    return one.fingerprint == fingerprint(_measuring(runner).identities[stage])


def _measuring(runner: Runner) -> Runner:
    """Return the runner of a row with the stage that measures its recommender alone."""
    return Runner((*runner.stages.values(), SIGNAL_OF_CRM), runner.config, runner.store.root.parent)


def read_signals(folders: Iterable[Path]) -> dict[str, list[KeptSignal]]:
    """Return row -> what some folders of records keep of it, in order of folders and seeds.

    Raises:
        ArtifactError: a file cannot be read.
    """
    found: dict[str, list[KeptSignal]] = {}
    for path in (path for folder in folders for path in sorted((folder / _FOLDER).glob("*.json"))):
        try:
            one = KeptSignal.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError:
            raise ArtifactError(f"{path}: no record of a signal; delete it, and it is made anew") from None
        found.setdefault(one.key, []).append(one)
    return found


def signal_text(found: Mapping[str, Sequence[KeptSignal]]) -> str:
    """Return the section as Markdown: the recommenders, then every way of finding users, on each split."""
    if not found:
        return ""
    every = [one.signal for kept in found.values() for one in kept]
    parts = [
        "Before any language model reads anything; means over the seeds that are kept. *Named*: share of rows whose "
        "target one of the users liked. *Count*: AUC of the number of users who liked it, which measures how popular "
        "it is as well: compare with users who know nothing (random, most active). *Item mean + count*: AUC of a "
        "regression on both, cross-fitted by user. *Gain*: over the item mean alone, with the mean bounds of its 95% "
        "intervals.\n",
        "### Recommenders\n\n" + markdown(_spreads(found)) + "\n",
    ]
    for split in dict.fromkeys(one.split for signal in every for one in signal.rankings):
        parts.append(f"### Held-out likes ranked among the whole catalogue, {split} rows\n\n")
        parts[-1] += markdown(_rankings(every, split)) + "\n"
    for split in dict.fromkeys(one.split for signal in every for one in signal.counts):
        parts.append(f"### What found users know of the target, {split} rows\n\n{markdown(_counts(every, split))}\n")
    steps = _differences(every)
    if steps:
        parts.append(f"### Does a step find more than the one before it?\n\n{markdown(steps)}\n")
    return "\n".join(parts)


def _spreads(found: Mapping[str, Sequence[KeptSignal]]) -> list[TableRow]:
    rows: dict[str, dict[int, Signal]] = {}
    for kept in found.values():
        for one in kept:
            rows.setdefault(one.signal.recommender, {})[one.seed] = one.signal  # SCORE's is the CRM's
    table = []
    for name, by_seed in rows.items():
        signals = list(by_seed.values())
        alike = [share for signal in signals for share in signal.alike if share.source.startswith(name)]
        jaccard, chance = (_mean([getattr(one, which) for one in alike]) for which in ("jaccard", "random_jaccard"))
        table.append(
            {
                "recommender": name,
                "user x item": f"{_mean([one.spread.interaction_share for one in signals]):.1%}",
                "mean cosine of users": number(_mean([one.spread.mean_cosine for one in signals]), 3),
                "effective rank": number(_mean([one.spread.effective_rank for one in signals]), 1),
                "neighbours' Jaccard": number(jaccard),
                "times chance": number(jaccard / chance, 1) if chance else NONE,
                "users anybody finds": f"{_mean([one.found_share for one in alike]):.0%}" if alike else NONE,
                "largest in-degree": number(_mean([one.largest_in_degree for one in alike]), 0) if alike else NONE,
                "seeds": str(len(signals)),
            }
        )
    return table


def _rankings(every: Sequence[Signal], split: str) -> list[TableRow]:
    found: dict[str, list[Mapping[str, float]]] = {}
    for signal in every:
        for one in signal.rankings:
            if one.split == split:
                found.setdefault(one.predictor, []).append(one.measures)
    return [
        {"predictor": name} | {measure: number(_mean([one[measure] for one in measured])) for measure in measured[0]}
        for name, measured in found.items()
    ]


def _counts(every: Sequence[Signal], split: str) -> list[TableRow]:
    found: dict[str, dict[int, list[UserCount]]] = {}
    for signal in every:
        for one in signal.counts:
            if one.split == split and one.auc is not None:
                found.setdefault(one.source, {}).setdefault(one.n_users, []).append(one)
    rows = []
    for name, by_number in found.items():
        row = {"users from": name}
        for n_users in (2, COMPARED):
            measured = by_number.get(n_users)
            row[f"{n_users} users: named"] = f"{_mean([one.named for one in measured]):.1%}" if measured else NONE
            row[f"{n_users}: count"] = number(_mean([one.auc or 0 for one in measured]), 3) if measured else NONE
            row[f"{n_users}: item mean + count"] = _added(measured)
        close = [one.closeness for one in by_number.get(2, ()) if one.closeness is not None]
        row["closeness of titles"] = number(_mean(close), 3) if close else NONE
        rows.append(row)
    return rows


def _differences(every: Sequence[Signal]) -> list[TableRow]:
    found: dict[tuple[str, str, str, int], list[SourceDifference]] = {}
    for signal in every:
        for one in signal.differences:
            found.setdefault((one.source, one.against, one.split, one.n_users), []).append(one)
    rows = []
    for (source, against, split, n_users), measured in found.items():
        bounds = [one.interval for one in measured if one.interval is not None]
        text = f"{_mean([one.value for one in measured]):+.4f}"
        if bounds:
            text += f" [{_mean([one.low for one in bounds]):+.4f}, {_mean([one.high for one in bounds]):+.4f}]"
        rows.append(
            {
                "users from": source,
                "instead of": against,
                "rows": split,
                "users": str(n_users),
                "AUC of item mean + count": text,
            }
        )
    return rows


def _added(measured: Sequence[UserCount] | None) -> str:
    if not measured:
        return NONE
    text = number(_mean([one.added_auc or 0 for one in measured]))
    gains = [one.gain for one in measured if one.gain is not None]
    if not gains:
        return text
    value = _mean([(one.added_auc or 0) - (one.mean_auc or 0) for one in measured])
    return f"{text}, gain {value:+.4f} [{_mean([g.low for g in gains]):+.4f}, {_mean([g.high for g in gains]):+.4f}]"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
