"""Commands that make runs and use them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from scorerec.cli.output import UNREAD, Watch, console, print_json, print_rows, say, tell
from scorerec.cli.parameters import AsJson, Changes, Root, RunFolder, Source
from scorerec.core.errors import ConfigError
from scorerec.experiment import complete

if TYPE_CHECKING:
    from scorerec.serve.explain import Recommendations

app = typer.Typer()


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
        print_json({**prepared.notes, "expected": expected and dataclasses.asdict(expected)})
        return
    for line in prepared.headlines:
        say(line)
    columns = ["rows", "users", "items", "positive_rate", "warm"]
    rows = [[name, *(part[column] for column in columns)] for name, part in prepared.notes["parts"].items()]
    print_rows(["part", *columns], rows)
    if expected:
        say(f"Beside {expected.origin}:")
        print_rows(["count", "here", "paper", "difference"], [[*row, row[1] - row[2]] for row in expected.rows])
    say(f"Written to {out}/interactions.parquet and {out}/items.parquet")


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

    with Watch() as watch:
        outcome = actions.run_experiment(source, changes or [], root, to, watch)
    if as_json:
        print_json({"run": str(outcome.folder), "results": outcome.results})
        return
    for line in outcome.headlines:
        say(line)
    if outcome.table:
        print_rows(list(outcome.table[0]), [list(row.values()) for row in outcome.table])
        for line in outcome.verdict:
            say(line)
        say(f"Report: {outcome.folder}/report.html")
    else:
        say(f"Run: {outcome.folder}")


@app.command()
def cost(source: Source, changes: Changes = None, root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """Say what a run would still take: memory, time, and calls to an LLM; nothing is asked, and no key is needed."""
    from scorerec.experiment.cost import experiment_cost

    found = experiment_cost(source, changes or [], root, tell)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    print_rows(["stage", "estimate"], [[part.stage, part.line] for part in found.stages])
    if found.assessments:
        shown = {name: value for name, value in dataclasses.asdict(found.assessments).items() if value is not None}
        print_rows(["assessments", "estimate"], [[name.replace("_", " "), value] for name, value in shown.items()])
    else:
        say("Assessments: no endpoint is asked, which costs nothing; --set assess.assessor=openai shows what one would")


@app.command()
def status(source: Source, changes: Changes = None, root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """Say which stages of an experiment are done."""
    from scorerec.experiment import actions

    stages = actions.experiment_status(source, changes or [], root)
    if as_json:
        print_json([dataclasses.asdict(stage) for stage in stages])
        return
    print_rows(
        ["stage", "state", "seconds", "folder"],
        [[stage.stage, stage.state, stage.seconds, stage.path] for stage in stages],
    )


@app.command()
def report(folder: RunFolder) -> None:
    """Write the HTML report of a run anew and say where it is."""
    from scorerec.experiment import actions

    say(str(actions.write_report(folder)))


@app.command()
def prompt(
    folder: RunFolder,
    row: Annotated[
        int | None, typer.Option(metavar="ROW_ID", help="row_id of the interactions table; default: the first test row")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show P^r, P^b and P^s of one row exactly as the models see them, with token counts."""
    from scorerec.serve.explain import show_prompts

    shown = show_prompts(folder, row)
    if as_json:
        print_json([dataclasses.asdict(part) for part in shown])
        return
    for part in shown:
        console.rule(f"[bold]{escape(part.name)}[/bold]: {escape(part.reader)}, {part.n_tokens} tokens", align="left")
        say(part.text)


@app.command()
def recommend(
    folder: RunFolder,
    users: Annotated[
        list[str] | None, typer.Option("--user", help="user id; several: repeat it; default: a test user, drawn")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="how many")] = 3,
    as_json: AsJson = False,
) -> None:
    """Recommend items to users, each with what the LLM read of others."""
    from scorerec.serve import explain

    found = explain.recommend(folder, users or [], count)
    if as_json:
        print_json([dataclasses.asdict(one) for one in found])
        return
    for line in explain.read_stand_ins(folder):
        say(f"Stand-in: {line}")
    for one in found:
        _show(one)


def _recommend_all(folder: Path, users: Path | None, out: Path | None, count: int, as_json: bool) -> None:
    from scorerec.serve.batch import recommend_all
    from scorerec.serve.config import ServeConfig

    if users is None or out is None:
        raise ConfigError("--users and --out go together: whose recommendations, and where they go")
    written = recommend_all(folder, users, count, out, ServeConfig())
    if as_json:
        print_json(dataclasses.asdict(written))
        return
    before = f"; {written.kept} blocks of them were there already" if written.kept else ""
    say(f"{written.rows} rows for {written.users} users: {out}{before}")


def _show(found: Recommendations) -> None:
    say(f"\nUser {found.user_id} liked {found.n_liked} items, the latest: {', '.join(found.latest) or 'none'}")
    for place, item in enumerate(found.items, start=1):
        console.print(f"\n[bold]{place}. {escape(item.title)}[/bold]  P(Yes) = {item.p_yes:.3f}", soft_wrap=True)
        if item.item_id in found.unread:
            say(UNREAD)
        if item.verdict:
            say(f"   {item.verdict}")
        for shown in item.evidence:
            also = " (who liked this item too)" if shown.has_item else ""
            say(f"   similar user {shown.user_id}{also}: {', '.join(shown.titles)}")


@app.command()
def add(
    folder: RunFolder,
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: user_id, item_id, timestamp, and label or rating")],
    as_json: AsJson = False,
) -> None:
    """Add interactions to a finished run: recommendations know them from now on; the models stay as they are."""
    from scorerec.serve.live import add_behaviours

    added = add_behaviours(folder, file)
    if as_json:
        print_json(dataclasses.asdict(added))
        return
    say(
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
    from scorerec.serve.forget import forget as forget_user

    forgotten = forget_user(folder, user, drop_models)
    if as_json:
        print_json(dataclasses.asdict(forgotten))
        return
    for line in forgotten.lines():
        say(line)
