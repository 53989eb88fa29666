"""Commands that serve a finished run, and explain its scores."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from scorerec.cli.output import UNREAD, console, print_json, say
from scorerec.cli.parameters import AsJson, RunFolder
from scorerec.core.config import validate, with_overrides
from scorerec.core.errors import ConfigError
from scorerec.serve.config import ServeConfig

if TYPE_CHECKING:
    from scorerec.serve.service import Service

app = typer.Typer()
_EXTRA = ("fastapi", "uvicorn", "prometheus_client")
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a setting: serve.min_users=10")
]


@app.command()
def serve(
    folder: RunFolder,
    changes: Settings = None,
    host: Annotated[str, typer.Option(help="address; others than this machine's own need API keys")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="processes; each loads the models")] = 1,
    keys: Annotated[Path | None, typer.Option(metavar="FILE", help="lines of `scorerec serve-key`")] = None,
    lm_url: Annotated[
        str | None, typer.Option(help="score by the LM behind this server (vLLM, SGLang, llama.cpp), merged by export")
    ] = None,
) -> None:
    """Serve a finished run: an API for programs (see /docs), and pages for people."""
    config = _settings([*(changes or []), *([f"serve.lm_url={lm_url}"] if lm_url else [])])
    _require_extra()
    from scorerec.serve.http.process import Place, serve

    def tell(service: Service, address: str) -> None:
        for line in service.stand_ins:
            say(f"Stand-in: {line}")
        if not service.is_audited:
            say(
                "Warning: titles were not audited, and one that argues is read; run again, with title_audit.prompts > 0"
            )
        say(f"Serving {folder} at {address} (API: {address}/docs); Ctrl+C stops it")

    serve(Place(folder=folder, config=config, keys=keys, host=host, port=port, workers=workers), tell)


@app.command("serve-key")
def serve_key(
    name: Annotated[str, typer.Argument(help="whose key it is, for logs: letters, digits, - and _")],
    scope: Annotated[list[str] | None, typer.Option(help="read, write, admin; several: repeat it")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key: it is shown once, and the line that lets it in holds its hash."""
    _require_extra()
    from scorerec.serve.http.access import SCOPES, new_key

    chosen = scope or ["read"]
    if not set(chosen) <= set(SCOPES):
        raise ConfigError(f"--scope {', '.join(chosen)}: wanted some of {', '.join(SCOPES)}")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError(f"{name!r}: wanted letters, digits, - and _ as a name")
    key, line = new_key(name, [one for one in SCOPES if one in chosen])
    if as_json:
        print_json({"key": key, "line": line})
        return
    say(f"Key, for the header X-API-Key; it is not shown again: {key}")
    say(f"Line, for a file (--keys FILE) or SCOREREC_SERVE_KEYS:  {line}")


@app.command()
def explain(
    folder: RunFolder,
    user: Annotated[str, typer.Option(help="user id")],
    item: Annotated[str, typer.Option(help="item id")],
    as_json: AsJson = False,
) -> None:
    """Say why an item has its score for a user: what the answer is without each part of what the LM read."""
    from scorerec.serve.why import explained

    found = explained(folder, user, item)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    console.print(f"[bold]{escape(found.title)}[/bold]  P(Yes) = {found.p_yes:.3f}", soft_wrap=True)
    if found.argues:
        say(UNREAD)
    for line in found.in_words:
        say(f"   {line}")


@app.command()
def export(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="where it goes; it must not exist")],
    merged: Annotated[bool, typer.Option("--merged", help="the adapter merged into the whole model")] = False,
) -> None:
    """Write the tuned LM as a plain Hugging Face folder, which vLLM, SGLang and llama.cpp's converter read."""
    from scorerec.experiment.run import Run
    from scorerec.llm.merge import export_merged

    run = Run.open(folder)
    model = run.model("tuned-score")
    if not merged:
        raise ConfigError(f"export: give --merged; the adapter alone lies in {model}, for servers that load adapters")
    apart = export_merged(model, run.config.llm, out)
    say(f"Written to {out}; p(Yes) of two prompts lies {apart:.1e} from the tuned LM's")
    say(f"Serve it, for instance: vllm serve {out} --served-model-name scorerec --port 8001")
    say(f"and then: scorerec serve {folder} --lm-url http://127.0.0.1:8001")


def _settings(changes: list[str]) -> ServeConfig:
    given = with_overrides({}, changes)
    if others := set(given) - {"serve"}:
        raise ConfigError(
            f"--set {', '.join(sorted(others))}: a service changes settings of its own alone, such as "
            "serve.min_users=10; others belong to the run"
        )
    return validate(ServeConfig, given.get("serve", {}), "serve", [change.removeprefix("serve.") for change in changes])


def _require_extra() -> None:
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        raise ConfigError(f"{', '.join(missing)}: not installed, and needed to serve; pip install 'scorerec[serve]'")
