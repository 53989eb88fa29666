"""Commands about results: compare, export, evaluate, reproduce, look inside."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from scorerec.cli.output import print_json, print_rows, say, tell
from scorerec.cli.parameters import AsJson, Changes, Root, RunFolder
from scorerec.experiment import complete

app = typer.Typer()


@app.command()
def compare(
    first: RunFolder,
    second: Annotated[Path, typer.Argument(metavar="RUN", help="another", autocompletion=complete.runs)],
    as_json: AsJson = False,
) -> None:
    """Compare two runs on the rows that both judged: paired differences of every method, and of settings."""
    from scorerec.serve.compare import compare_runs

    compared = compare_runs(first, second)
    if as_json:
        print_json(dataclasses.asdict(compared))
        return
    for line in compared.headlines:
        say(line)
    print_rows(["method", "metric", str(first), str(second), "difference", "p"], compared.rows)


@app.command()
def signal(folder: RunFolder, as_json: AsJson = False) -> None:
    """Say whether there is anything to pass on: does the CRM tell users apart, do found users know the target?"""
    from scorerec.evaluate.report import signal_tables
    from scorerec.experiment import actions

    found = actions.run_signal(folder, tell)
    if as_json:
        print_json(found)
        return
    for caption, rows in signal_tables(found).items():
        say(caption)
        print_rows(list(rows[0]), [list(row.values()) for row in rows])
    for warning in found.warnings:
        say(f"Warning: {warning}")


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
    from scorerec.serve.scores import write_scores

    say(f"{write_scores(folder, out, methods or None):,} scores written to {out}")


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
        print_json(json.loads(result.to_json()))
        return
    print_rows(["measure", "value"], [[name, value] for name, value in json.loads(result.to_json()).items()])


@app.command()
def reproduce(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="table2, table3, fig3, fig4, signal, fig5, checks or all, the paper's; or beyond"
        ),
    ],
    source: Annotated[
        str, typer.Argument(metavar="[PRESET|FILE]", help="the experiment", autocompletion=complete.sources)
    ] = "ml-1m",
    changes: Changes = None,
    root: Root = Path("runs"),
    page: Annotated[Path, typer.Option(help="page to write; records are kept in the folder of this name")] = Path(
        "docs/results.md"
    ),
    seeds: Annotated[str, typer.Option(help="of Table 2 and Fig. 3; the others take the first")] = "0,1,2",
    lm_seeds: Annotated[bool, typer.Option(help="rows with a language model over all seeds, too")] = False,
    only: Annotated[
        str | None,
        typer.Option("--rows", metavar="KEYS", help="make these alone, over all seeds, such as llm,titles,score"),
    ] = None,
    retune: Annotated[bool, typer.Option(help="Fig. 4: tune anew for each number of users")] = False,
    run: Annotated[bool, typer.Option(help="make what is missing; --no-run only writes the page again")] = True,
    also: Annotated[
        list[Path] | None, typer.Option(help="a folder of further records that are shown, but never written")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Reproduce a table or figure of the paper, method by method; what is kept is not made again."""
    from scorerec.reproduce import command
    from scorerec.reproduce.run import Reproduction

    job = Reproduction(source, changes or [], root, page, tell, also or [], only.split(",") if only else ())
    done = command.reproduce(what, job, command.read_seeds(seeds), lm_seeds=lm_seeds, retune=retune, run=run)
    if as_json:
        print_json({"page": str(done.page), "failures": done.failures, "tables": done.tables()})
    else:
        for name, rows in done.texts().items():
            say(name)
            print_rows(list(rows[0]), [list(row.values()) for row in rows])
        say(str(done.page))
    if done.failures:
        raise typer.Exit(1)


@app.command()
def attention(
    folder: RunFolder,
    row: Annotated[
        int | None, typer.Option(metavar="ROW_ID", help="row_id of the interactions table; default: the first test row")
    ] = None,
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
        print_json(found.as_json())
        return
    print_rows(["part", "share"], [[SPANS[span], f"{share:.1%}"] for span, share in found.shares.items() if share])
    print_rows(["token", "part", "share"], [[repr(t.text), SPANS[t.kind], f"{t.weight:.1%}"] for t in found.tokens])
