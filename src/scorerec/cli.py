"""The command line: parse, call, print. No decision is made here."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scorerec.core.errors import ScorerecError
from scorerec.core.memory import keep_freed_memory
from scorerec.experiment import complete

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
console = Console(highlight=False)
notes = Console(stderr=True, highlight=False)
_INTERRUPTED = 130
_debug: list[bool] = []  # what the option said
_BUG = "This is a bug: please report it with what `scorerec --debug ...` prints. What was finished is kept"

Source = Annotated[
    str,
    typer.Argument(
        metavar="PRESET|FILE", help="quickstart, ml-1m, ... or a TOML file", autocompletion=complete.sources
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="change a setting: crm.epochs=20", autocompletion=complete.settings
    ),
]
Root = Annotated[Path, typer.Option("--out", help="folder of the runs and their artifacts")]
RunFolder = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="folder of a run, such as runs/quickstart", autocompletion=complete.runs),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for programs")]


@app.command()
def prepare(
    source: Source,
    changes: Changes = None,
    out: Annotated[Path, typer.Option(help="where the tables go")] = Path("prepared"),
    as_json: AsJson = False,
) -> None:
    """Write interactions.parquet and items.parquet, and print what they hold."""
    from scorerec.experiment import actions

    prepared = actions.prepare_tables(source, changes or [], out)
    expected = prepared.expected
    if as_json:
        _print_json({**prepared.notes, "expected": expected and dataclasses.asdict(expected)})
        return
    for line in prepared.headlines:
        _say(line)
    columns = ["rows", "users", "items", "positive_rate", "warm"]
    rows = [[name, *(part[column] for column in columns)] for name, part in prepared.notes["parts"].items()]
    _print_rows(["part", *columns], rows)
    if expected:
        _say(f"Beside {expected.origin}:")
        _print_rows(["count", "here", "paper", "difference"], [[*row, row[1] - row[2]] for row in expected.rows])
    _say(f"Written to {out}/interactions.parquet and {out}/items.parquet")


@app.command()
def run(
    source: Source,
    changes: Changes = None,
    to: Annotated[
        str | None, typer.Option(metavar="STAGE", help="stop after this stage", autocompletion=complete.stages)
    ] = None,
    root: Root = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Run an experiment; a stage that is done and unchanged is not run again."""
    from scorerec.experiment import actions

    outcome = actions.run_experiment(source, changes or [], root, to, _tell)
    if as_json:
        _print_json({"run": str(outcome.folder), "results": outcome.results})
        return
    for line in outcome.headlines:
        _say(line)
    if outcome.table:
        _print_rows(list(outcome.table[0]), [list(row.values()) for row in outcome.table])
        _say(f"Report: {outcome.folder}/report.html")
    else:
        _say(f"Run: {outcome.folder}")


@app.command()
def cost(source: Source, changes: Changes = None, root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """Say what a run would still take: memory, time, and calls to an LLM; nothing is asked, and no key is needed."""
    from scorerec.experiment.cost import experiment_cost

    found = experiment_cost(source, changes or [], root, _tell)
    if as_json:
        _print_json(dataclasses.asdict(found))
        return
    _print_rows(["stage", "estimate"], [[part.stage, part.line] for part in found.stages])
    if found.assessments:
        shown = {name: value for name, value in dataclasses.asdict(found.assessments).items() if value is not None}
        _print_rows(["assessments", "estimate"], [[name.replace("_", " "), value] for name, value in shown.items()])
    else:
        _say("Assessments: by item metadata, which costs nothing; --set assess.assessor=openai shows what an LLM would")


@app.command()
def status(source: Source, changes: Changes = None, root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """Say which stages of an experiment are done."""
    from scorerec.experiment import actions

    stages = actions.experiment_status(source, changes or [], root)
    if as_json:
        _print_json([dataclasses.asdict(stage) for stage in stages])
        return
    _print_rows(
        ["stage", "state", "seconds", "folder"],
        [[stage.stage, stage.state, stage.seconds, stage.path] for stage in stages],
    )


@app.command()
def report(folder: RunFolder) -> None:
    """Write the HTML report of a run anew and say where it is."""
    from scorerec.experiment import actions

    _say(str(actions.write_report(folder)))


@app.command()
def prompt(
    folder: RunFolder,
    row: Annotated[int, typer.Option(metavar="ROW_ID", help="row_id of the interactions table")],
    as_json: AsJson = False,
) -> None:
    """Show P^r, P^b and P^s of one row exactly as the models see them, with token counts."""
    from scorerec.experiment.explain import show_prompts

    shown = show_prompts(folder, row)
    if as_json:
        _print_json([dataclasses.asdict(part) for part in shown])
        return
    for part in shown:
        console.rule(f"[bold]{escape(part.name)}[/bold]: {escape(part.reader)}, {part.n_tokens} tokens", align="left")
        _say(part.text)


@app.command()
def recommend(
    folder: RunFolder,
    user: Annotated[str | None, typer.Option(help="user id; default: a test user drawn by the run's seed")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="how many")] = 3,
    as_json: AsJson = False,
) -> None:
    """Recommend items to a user, each with the behaviours of similar users that spoke for it."""
    from scorerec.experiment import explain

    result = explain.recommend(folder, user, count)
    if as_json:
        _print_json(dataclasses.asdict(result))
        return
    for line in result.headlines:
        _say(line)
    for place, item in enumerate(result.items, start=1):
        console.print(f"\n[bold]{place}. {escape(item.title)}[/bold]  P(Yes) = {item.p_yes:.3f}", soft_wrap=True)
        for shown in item.evidence:
            also = " (who liked this item too)" if shown.has_item else ""
            _say(f"   similar user {shown.user_id}{also}: {', '.join(shown.titles)}")


@app.command()
def add(
    folder: RunFolder,
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: user_id, item_id, timestamp, and label or rating")],
    as_json: AsJson = False,
) -> None:
    """Add interactions to a finished run: recommendations know them from now on; the models stay as they are."""
    from scorerec.experiment.live import add_behaviours

    added = add_behaviours(folder, file)
    if as_json:
        _print_json(dataclasses.asdict(added))
        return
    _say(
        f"Added {added.interactions} interactions of {added.users} users, {added.liked} of them liked; "
        f"their {added.behaviours} behaviours are in the index"
    )


@app.command()
def forget(
    folder: RunFolder,
    user: Annotated[str, typer.Option(help="user id")],
    drop_models: Annotated[bool, typer.Option(help="delete what was trained with the user, too")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget a user in all that was made from the data of a run: tables, indexes, replies, prompts and reports."""
    from scorerec.experiment.forget import forget as forget_user

    forgotten = forget_user(folder, user, drop_models)
    if as_json:
        _print_json(dataclasses.asdict(forgotten))
        return
    for line in forgotten.lines():
        _say(line)


@app.command()
def compare(
    first: RunFolder,
    second: Annotated[Path, typer.Argument(metavar="RUN", help="another", autocompletion=complete.runs)],
    as_json: AsJson = False,
) -> None:
    """Compare two runs on the rows that both judged: paired differences of every method, and of settings."""
    from scorerec.experiment.compare import compare_runs

    compared = compare_runs(first, second)
    if as_json:
        _print_json(dataclasses.asdict(compared))
        return
    for line in compared.headlines:
        _say(line)
    _print_rows(["method", "metric", str(first), str(second), "difference", "p"], compared.rows)


@app.command()
def scores(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="a new .csv or .parquet file")],
    methods: Annotated[
        list[str] | None,
        typer.Option("--method", help="key of a method; default: all", autocompletion=complete.methods),
    ] = None,
) -> None:
    """Write the scores of a run into a file: one line per judged row and method."""
    from scorerec.experiment.scores import write_scores

    _say(f"{write_scores(folder, out, methods or None):,} scores written to {out}")


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Option(help="CSV or Parquet with columns user_id, label, score")],
    method: Annotated[str | None, typer.Option(help="whose scores, where the file has a column method")] = None,
    as_json: AsJson = False,
) -> None:
    """Compute AUC, per-user AUC and more for anybody's scores."""
    from scorerec.evaluate.predictions import evaluate_predictions

    result = evaluate_predictions(predictions, method)
    if as_json:
        _print_json(json.loads(result.to_json()))
        return
    _print_rows(["measure", "value"], [[name, value] for name, value in json.loads(result.to_json()).items()])


@app.command()
def reproduce(
    what: Annotated[str, typer.Argument(metavar="TABLE", help="table2, table3, fig3, fig4, fig5, checks or all")],
    source: Annotated[
        str, typer.Argument(metavar="[PRESET|FILE]", help="the experiment", autocompletion=complete.sources)
    ] = "ml-1m",
    changes: Changes = None,
    root: Root = Path("runs"),
    page: Annotated[Path, typer.Option(help="page to write; records are kept in the folder of this name")] = Path(
        "docs/results.md"
    ),
    seeds: Annotated[str, typer.Option(help="of Table 2 and Fig. 3; the others take the first")] = "0,1,2",
    retune: Annotated[bool, typer.Option(help="Fig. 4: tune anew for each number of users")] = False,
    run: Annotated[bool, typer.Option(help="make what is missing; --no-run only writes the page again")] = True,
    as_json: AsJson = False,
) -> None:
    """Reproduce a table or figure of the paper, method by method; what is kept is not made again."""
    from scorerec.experiment.reproduce import command
    from scorerec.experiment.reproduce.run import Reproduction

    job = Reproduction(source, changes or [], root, page, _tell)
    done = command.reproduce(what, job, command.read_seeds(seeds), retune=retune, run=run)
    if as_json:
        _print_json({"page": str(done.page), "failures": done.failures, "tables": done.tables()})
    else:
        for name, rows in done.texts().items():
            _say(name)
            _print_rows(list(rows[0]), [list(row.values()) for row in rows])
        _say(str(done.page))
    if done.failures:
        raise typer.Exit(1)


@app.command()
def attention(
    folder: RunFolder,
    row: Annotated[int, typer.Option(metavar="ROW_ID", help="row_id of the interactions table")],
    method: Annotated[str, typer.Option(help="score, llm or llara")] = "score",
    layer: Annotated[
        list[int] | None, typer.Option(help="from 0; several are averaged (default: middle third)")
    ] = None,
    head: Annotated[list[int] | None, typer.Option(help="from 0; several are averaged (default: all)")] = None,
    as_json: AsJson = False,
) -> None:
    """Say where the LM looks when it answers for one row: the share of each part of the prompt, and of each token."""
    from scorerec.experiment.attention import SPANS, Look, row_attention

    found = row_attention(folder, row, method, Look(layer, head))
    if as_json:
        _print_json(found.as_json())
        return
    _print_rows(["part", "share"], [[SPANS[span], f"{share:.1%}"] for span, share in found.shares.items() if share])
    _print_rows(["token", "part", "share"], [[repr(t.text), SPANS[t.kind], f"{t.weight:.1%}"] for t in found.tokens])


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


def _tell(progress: Any) -> None:
    seconds = "" if progress.seconds is None else f"  {progress.seconds:.1f} s"
    if progress.state != "running" or notes.is_terminal:
        note = f"  {progress.note}" if progress.note else ""
        notes.print(f"{progress.state:>8}  {escape(progress.stage)}{seconds}{escape(note)}", soft_wrap=True)


def _say(line: str) -> None:
    """Print a line as it is: a path that a terminal's width breaks cannot be copied."""
    console.print(escape(line), soft_wrap=True)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


def _print_rows(header: list[str], rows: list[list[Any]]) -> None:
    table = Table(*header)
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    console.print(table)
