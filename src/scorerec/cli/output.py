"""What the commands print with: people get tables and lines, programs get JSON; progress goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

console = Console(highlight=False)
notes = Console(stderr=True, highlight=False)
UNREAD = "   its title moves the answer further than titles do, and was not read: the LM was asked about a neutral name"


def tell(progress: Any) -> None:
    """Print what happened to a stage; that it runs only where somebody watches."""
    is_told = progress.seconds is not None and progress.state != "estimate"  # its note says it in words
    seconds = f"  {progress.seconds:.1f} s" if is_told else ""
    if progress.state == "estimate" and not progress.note:
        return  # nothing is known of it
    if progress.state != "running" or notes.is_terminal:
        note = f"  {progress.note}" if progress.note else ""
        notes.print(f"{progress.state:>8}  {escape(progress.stage)}{seconds}{escape(note)}", soft_wrap=True)


class Watch:
    """Tells what happens to the stages of a run; on a terminal above one bar for all of it, with the time left.

    The time left is what the stages to come were estimated at, corrected by how long those before took in truth. The
    bars of single stages stand below.
    """

    def __init__(self) -> None:
        self._expected: dict[str, float] = {}
        self._came: dict[str, float] = {}
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, progress: Any) -> None:
        """Hear what happened to a stage."""
        if progress.state == "estimate":
            self._expected[progress.stage] = progress.seconds or 0.0
        elif progress.state in ("ran", "done"):
            self._came[progress.stage] = progress.seconds if progress.state == "ran" else 0.0
        with tqdm.external_write_mode(file=sys.stderr):
            tell(progress)
        if progress.state == "total" and notes.is_terminal:
            self._bar = tqdm(total=len(self._expected), desc="run", file=sys.stderr, bar_format=_BAR, leave=False)
        if self._bar is not None:
            done = [stage for stage in self._expected if stage in self._came]
            self._bar.n = len(done)
            self._bar.set_postfix_str(time_left(self._expected, self._came))


_BAR = "{desc}: {n_fmt} of {total_fmt} |{bar:30}| {elapsed}{postfix}"


def time_left(expected: Mapping[str, float], came: Mapping[str, float]) -> str:
    """Return how long the rest takes, in words.

    Args:
        expected: stage -> seconds that it was estimated at.
        came: stage -> seconds that it took, of those that are there.

    >>> time_left({"a": 60, "b": 600}, {}), time_left({"a": 60, "b": 600}, {"a": 120})
    ('about 11 min left', 'about 20 min left')
    """
    if not any(expected.values()):
        return "time left not known"
    thought = sum(expected[stage] for stage in came if stage in expected)
    took = sum(seconds for stage, seconds in came.items() if stage in expected)
    slower = took / thought if thought >= 30 and took else 1.0  # what took seconds tells nothing of what takes minutes
    rest = slower * sum(seconds for stage, seconds in expected.items() if stage not in came)
    return f"about {rest / 60:.0f} min left" if rest >= 90 else f"about {rest:.0f} s left"


def say(line: str) -> None:
    """Print a line as it is: a path that a terminal's width breaks cannot be copied."""
    console.print(escape(line), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print JSON for programs."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


def print_rows(header: list[str], rows: list[list[Any]]) -> None:
    """Print a table."""
    table = Table(*header)
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    console.print(table)
