"""What the commands print with: people get tables and lines, programs get JSON; progress goes to stderr."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console(highlight=False)
notes = Console(stderr=True, highlight=False)


def tell(progress: Any) -> None:
    """Print what happened to a stage; that it runs only where somebody watches."""
    seconds = "" if progress.seconds is None else f"  {progress.seconds:.1f} s"
    if progress.state != "running" or notes.is_terminal:
        note = f"  {progress.note}" if progress.note else ""
        notes.print(f"{progress.state:>8}  {escape(progress.stage)}{seconds}{escape(note)}", soft_wrap=True)


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
