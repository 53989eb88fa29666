"""The command that makes a configuration for two files of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from scorerec.cli.output import print_rows, say
from scorerec.experiment import complete

app = typer.Typer()


def can_ask() -> bool:
    """Whether somebody sits at a terminal and can answer."""
    return sys.stdin.isatty()


@app.command()
def init(
    ratings: Annotated[Path, typer.Argument(help="CSV, TSV, other text or Parquet: one row per rating")],
    items: Annotated[Path, typer.Argument(help="likewise: one row per item, with a title")],
    out: Annotated[Path, typer.Option(help="a new .toml file")] = Path("mine.toml"),
    take: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="what the files do not tell, or another choice: rating=stars, items-encoding=cp1252, threshold=8, ...",
            autocompletion=complete.answers,
        ),
    ] = None,
) -> None:
    """Look at two files of your own, say what is what, and write a configuration for `prepare` and `run`."""
    from scorerec.core.errors import UnclearError
    from scorerec.experiment import start

    chosen = start.read_answers(take or [])
    while True:
        try:
            made = start.start(ratings, items, out, chosen)
            break
        except UnclearError as unclear:
            if not can_ask():
                raise
            answers = f" ({', '.join(unclear.options)})" if unclear.options else ""
            answer = typer.prompt(f"{unclear.question}{answers}", err=True)
            if not unclear.options or answer in unclear.options:  # or it is asked again
                chosen[unclear.key] = answer
    start.write(made, out)
    for line in made.lines:
        say(line)
    columns = ["rows", "users", "items", "positive_rate", "warm"]
    print_rows(["part", *columns], [[name, *(part[key] for key in columns)] for name, part in made.parts.items()])
    say(f"Written to {out}; `scorerec prepare {out}` is next")
