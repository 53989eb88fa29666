"""The first configuration of somebody's own data: looked at, proposed, and written with its reasons."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scorerec.core.errors import ConfigError
from scorerec.core.storage import replace_file
from scorerec.data.form import ANSWERS, Chosen
from scorerec.data.inspect import inspect_files
from scorerec.data.proposal import propose
from scorerec.data.sources.tabular import TabularFiles
from scorerec.experiment.config import load_experiment

_PRESET = "quickstart"
_REASONS = {
    "preset": "minutes on two cores: a first look. For more, raise llm.max_train_rows, corpus.max_test_users",
    "prompt.domain": "what prompts call an item: item, movie, game or book",
    "data.path": "folder of the files",
}


@dataclass(frozen=True)
class Start:
    """A configuration for two files.

    Attributes:
        lines: what was found and proposed, in words.
        parts: what the proposed split gives: train, valid and test with their counts.
        toml: the file.
    """

    lines: tuple[str, ...]
    parts: dict[str, Any]
    toml: str


def read_answers(answers: Iterable[str]) -> dict[str, str]:
    """Return ``key=value`` as a mapping.

    >>> read_answers(["items-encoding=cp1252"])
    {'items-encoding': 'cp1252'}

    Raises:
        ConfigError: a key is unknown, or something has no ``=``.
    """
    read = {}
    for answer in answers:
        key, equals, value = answer.partition("=")
        if key not in ANSWERS or not equals or not value:
            known = "; ".join(f"{name}: {what}" for name, what in ANSWERS.items())
            raise ConfigError(f"--take {answer!r}: wanted KEY=VALUE, with one of these keys: {known}")
        read[key] = value
    return read


def start(ratings: Path, items: Path, out: Path, chosen: Chosen) -> Start:
    """Look at two files and make the configuration that ``out`` is to have; nothing is written.

    Args:
        ratings: text or Parquet; one row per rating.
        items: likewise; one row per item.
        out: a new .toml file.
        chosen: answers by key, as ``read_answers`` returns them.

    Raises:
        UnclearError: something cannot be told, and is not among ``chosen``.
        DataError: a file cannot be used.
        ConfigError: ``out`` is there already, or names no configuration.
    """
    if out.suffix != ".toml":
        raise ConfigError(f"{out}: wanted a name that ends in .toml; choose another --out")
    if out.exists():
        raise ConfigError(f"{out} is there already; choose another --out, or remove it")
    found = inspect_files(ratings, items, chosen)
    proposal = propose(found.source.read(None), found.source, chosen)
    settings: dict[str, Any] = {"prompt": {"domain": "item"}, "data": {**_source(found.source), **proposal.settings}}
    try:
        load_experiment(_PRESET, changes={"name": out.stem, **settings})
    except ConfigError as error:
        raise ConfigError(f"{out}: on top of {error}") from None
    reasons = {**_REASONS, **{f"data.{name}": reason for name, reason in proposal.reasons.items()}}
    return Start((*found.lines, *proposal.lines), proposal.parts, _toml({"preset": _PRESET, **settings}, reasons))


def write(made: Start, out: Path) -> None:
    """Write the configuration.

    Raises:
        ArtifactError: it cannot be written.
    """
    replace_file(out, made.toml)


def _source(source: TabularFiles) -> dict[str, Any]:
    """Return data.path, where both files are in one folder, and data.source without what is the default anyway."""
    settings = source.model_dump(mode="json", exclude_defaults=True)
    if source.ratings.parent == source.items.parent:
        names = {"ratings": source.ratings.name, "items": source.items.name}
        return {"path": str(source.ratings.parent), "source": {"name": source.name, **settings, **names}}
    return {"source": {"name": source.name, **settings}}


def _toml(settings: Mapping[str, Any], reasons: Mapping[str, str], section: str = "") -> str:
    """Return settings as TOML: single values first, then the sections, each with the reason behind it."""
    below = {name: value for name, value in settings.items() if isinstance(value, Mapping)}
    lines = [*(f"# {line}" for line in reasons.get(section, "").splitlines()), *([f"[{section}]"] if section else [])]
    for name, value in settings.items():
        key = f"{section}.{name}".removeprefix(".")
        if name not in below:
            # Text and lists of text, numbers and truth values are the same in JSON and in TOML.
            line = f"{_key(name)} = {json.dumps(value, ensure_ascii=False)}"
            lines.append(f"{line}  # {reasons[key]}" if key in reasons else line)
    parts = ["\n".join(lines)] if len(below) < len(settings) else []
    parts += [
        _toml(value, reasons, f"{section}.{_key(name)}".removeprefix(".")) for name, value in below.items() if value
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").isalnum() else json.dumps(name, ensure_ascii=False)
