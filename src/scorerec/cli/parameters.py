"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorerec.experiment import complete

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
