"""What the shell offers at the tab key; imports what it needs only then, for a shell has no patience."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def sources(incomplete: str) -> list[str]:
    """Return presets and TOML files that begin so."""
    from importlib import resources

    folder = resources.files("scorerec.experiment") / "presets"
    presets = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return [*(name for name in presets if name.startswith(incomplete)), *_paths(incomplete, ".toml")]


def runs(incomplete: str) -> list[str]:
    """Return folders of runs that begin so, and folders on the way to one."""
    return list(_paths(incomplete, "run.json"))


def settings(incomplete: str) -> list[str]:
    """Return ``section.key=`` for the settings that begin so; behind the sign, the values where they are few."""
    from scorerec.core.config import allowed_values
    from scorerec.experiment.config import ExperimentConfig

    found = []
    for key, values in allowed_values(ExperimentConfig).items():
        found += [f"{key}={value}" for value in values] if incomplete.startswith(f"{key}=") else [f"{key}="]
    return [entry for entry in found if entry.startswith(incomplete)]


def answers(incomplete: str) -> list[str]:
    """Return ``key=`` for what can be said of two files and begins so."""
    from scorerec.data.form import ANSWERS

    return [f"{key}=" for key in ANSWERS if key.startswith(incomplete)]


def stages(incomplete: str) -> list[str]:
    """Return the names of stages that begin so."""
    from scorerec.experiment.plan import ALL_STAGES

    return [name for name in (*(stage.name for stage in ALL_STAGES), "report") if name.startswith(incomplete)]


def methods(incomplete: str) -> list[str]:
    """Return the keys of methods that begin so."""
    from scorerec.experiment.methods import METHODS

    return [key for key in METHODS if key.startswith(incomplete)]


def _paths(incomplete: str, wanted: str) -> Iterator[str]:
    """Yield what begins so and is wanted by its ending, or holds it; other folders with a slash, to go on from."""
    for path in sorted(Path().glob(f"{incomplete}*")):
        if not path.is_dir():
            if path.name.endswith(wanted) and wanted.startswith("."):
                yield str(path)
        elif (path / wanted).is_file():
            yield str(path)
        elif not path.name.startswith("."):
            yield f"{path}/"
