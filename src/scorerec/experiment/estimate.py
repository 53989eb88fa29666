"""What the stages of a run that are still to come will take in memory and time; printed before they begin."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scorerec.core.artifacts import MANIFEST
from scorerec.experiment.runner import Progress, Runner

if TYPE_CHECKING:
    import torch

    from scorerec.experiment.run import Run
    from scorerec.nn.effort import Work

READING = {"data", "corpus", "references"}  # stages that only read data


@dataclass(frozen=True)
class Estimate:
    """What one stage will take.

    Attributes:
        stage: its name.
        seconds: about, on the device that is used; None: nothing is known of it.
        line: one line for people.
        gibibytes: of the device's memory at the peak, about, beside some 0.5 to 1 GiB for the program; None as below.
        work: of its transformer; None: it has none.
    """

    stage: str
    seconds: float | None
    line: str
    gibibytes: float | None = None
    work: Work | None = None


def estimate_run(runner: Runner, to: str | None, tell: Callable[[Progress], None]) -> list[Estimate]:
    """Return what is still to come of ``runner.run(to)``; the stages before it, which only read data, are run.

    Args:
        runner: of the experiment.
        to: the last stage; None: all.
        tell: is told of the stages that are run.

    Raises:
        ConfigError: ``to`` names no stage.
        ModelError: as ``estimate_stages``.
    """
    missing = [stage for stage in runner.missing(to) if stage not in READING]
    if not missing:
        return []
    return estimate_stages(runner, missing, runner.made("corpus", tell=tell))


def estimate_stages(runner: Runner, missing: Collection[str], run: Run) -> list[Estimate]:
    """Return what each of the stages ``missing`` will take.

    From the work of its transformer, where it has one. Otherwise from what the stage took when it last ran in this
    place, with whatever settings: of the recommender, of searches, of what only moves rows. Models that are not on this
    machine are asked for at their hub: only their configuration is fetched.

    Args:
        runner: of the experiment.
        missing: names of stages.
        run: with data and corpus.

    Raises:
        ModelError: a model is neither here nor at the hub: it would be missing later, too.
    """
    by_work = _estimates_of_work(runner, [name for name in missing if runner.stages[name].effort], run)
    found = (by_work.get(name) or _of_last_time(runner.store.root / name) for name in missing)
    return [estimate for estimate in found if estimate is not None]


def total_line(estimates: Collection[Estimate], missing: Collection[str]) -> str:
    """Return the sum in one line, and how many stages nothing is known of.

    Args:
        estimates: what is known.
        missing: all stages that are to come.
    """
    known = sum(one.seconds for one in estimates if one.seconds is not None)
    others = sorted(set(missing) - {one.stage for one in estimates} - READING)
    unknown = f"; nothing is known yet of {', '.join(others)}" if others else ""
    most = _at_most(any(one.work is not None and one.work.is_bound for one in estimates))
    together = f": {most}about {duration(known)} together" if estimates else ""
    return f"{len(missing)} stages{together}{unknown}"


def _estimates_of_work(runner: Runner, names: Collection[str], run: Run) -> dict[str, Estimate]:
    """Return stage -> estimate, for those whose transformers have work."""
    if not names:
        return {}
    from scorerec.experiment import effort  # and torch with it

    run.compute()  # as the stages will: the speed of the machine is tried out
    sizes, found = effort.Sizes.of(run), {}
    for name in names:
        stage = runner.stages[name]
        of_stage: Callable[..., Work | None] = getattr(effort, stage.effort)
        work = of_stage(stage, runner.config, sizes)
        if work is not None:
            found[name] = _of_work(name, work, "cpu" if name == "backbone" else runner.config.device)
    return found


def _of_work(name: str, work: Work, device_name: str) -> Estimate:
    import torch

    from scorerec.nn.devices import choose_device

    device = choose_device(device_name)
    seconds = work.seconds(device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    return Estimate(name, seconds, work_line(work, seconds, where, _memory(device)), work.bytes / 2**30, work)


def _at_most(is_bound: bool) -> str:
    return "at most " if is_bound else ""


def work_line(work: Work, seconds: float, where: str, memory: float) -> str:
    """Return one line for people.

    Args:
        work: of the transformer.
        seconds: it takes about.
        where: the device.
        memory: of the device, in bytes.
    """
    needed, there = work.bytes / 2**30, memory / 2**30
    line = (
        f"{_number(work.shape.parameters)} parameters, {round(work.rows_read + work.rows_trained):,} rows of about "
        f"{round(work.tokens)} tokens: {_at_most(work.is_bound)}about {duration(seconds)} and {needed:.1f} GiB "
        f"on {where}"
    )
    if needed > there:
        line += f", which has {there:.1f} GiB: lower the batch size or max_tokens"
    return line


def _of_last_time(folder: Path) -> Estimate | None:
    """Return what the latest artifact of a stage took; None where there is none."""
    manifests = sorted(folder.glob(f"[0-9a-f]*/{MANIFEST}"), key=lambda path: path.stat().st_mtime)
    if not manifests:
        return None
    try:
        seconds = float(json.loads(manifests[-1].read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):  # damaged: whoever reads it will say so
        return None
    return Estimate(folder.name, seconds, f"about {duration(seconds)}, as the last time, with other settings")


def _memory(device: torch.device) -> float:
    if device.type == "cuda":
        import torch

        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _number(value: int) -> str:
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.2g} {name}" if value < 10 * size else f"{value / size:,.0f} {name}"
    return f"{value:,}"


def duration(seconds: float) -> str:
    """Return a time for people.

    >>> duration(45), duration(600), duration(7200)
    ('45 s', '10 min', '2.0 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
