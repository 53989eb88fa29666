"""The command line: parse, call, print. No decision is made here."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from scorerec.cli import results, runs, serving, start
from scorerec.cli.output import notes
from scorerec.core.errors import ScorerecError
from scorerec.core.memory import keep_freed_memory

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(start.app)
app.add_typer(runs.app)
app.add_typer(results.app)
app.add_typer(serving.app)
_INTERRUPTED = 130
_debug: list[bool] = []  # what the option said
_BUG = "This is a bug: please report it with what `scorerec --debug ...` prints. What was finished is kept"


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", envvar="SCOREREC_DEBUG", help="show tracebacks of errors")] = False,
) -> None:
    """LLM recommendation with natural-language collaborative evidence (SCORE)."""
    _debug.append(debug)


def main() -> None:
    """Run the command line.

    Exit status: 0 done, 1 an error that scorerec raises on purpose, 2 wrong usage, 70 an unexpected error (a bug),
    130 interrupted. An error is one line on stderr; with ``--debug`` its traceback comes first.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # loading small files needs no bar
    keep_freed_memory()
    _debug.clear()
    try:
        app()  # ends with 0, 2, 130 and, where nobody reads the output any more, 1
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            notes.print("Interrupted. What was finished is kept; the same command goes on from there", soft_wrap=True)
        raise
    except ScorerecError as error:
        _complain(type(error).__name__, str(error), 1)
    except Exception as error:
        _complain(f"Unexpected {type(error).__name__}", f"{error}. {_BUG}", 70)


def _complain(kind: str, message: str, status: int) -> NoReturn:
    if any(_debug):
        notes.print_exception()
    notes.print(f"[bold red]{kind}[/bold red]: {escape(message)}", soft_wrap=True)
    sys.exit(status)
