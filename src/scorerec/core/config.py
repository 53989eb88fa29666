"""Configuration: frozen, strict models, read from TOML and overridden one key at a time."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from scorerec.core.errors import ConfigError

_WORDS = re.compile(r"\[\s*[\w.+-]+(\s*,\s*[\w.+-]+)*\s*\]")  # in brackets, without quotes


class Config(BaseModel):
    """Base of every configuration: immutable, and an unknown key is an error.

    >>> class Demo(Config):
    ...     epochs: int = 3
    >>> Demo().epochs
    3
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @property
    def decisive(self) -> dict[str, Any]:
        """What of the settings decides a result, as plain values; a section may leave some out."""
        return {name: self.stands_for(name) for name in self.model_dump(mode="json")}

    def stands_for(self, name: str) -> Any:
        """Return what of one setting decides a result: its value, or what it leads to, such as a file's content."""
        return self.model_dump(mode="json", include={name})[name]


C = TypeVar("C", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Read one TOML file.

    Raises:
        ConfigError: the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file; name one that exists") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}; correct it there") from None
    except (OSError, ValueError) as error:  # a folder, a file of somebody else, a name that no file can have
        raise ConfigError(f"{str(path)!r}: cannot be read: {error}; name a TOML file") from None


def with_overrides(settings: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return ``settings`` with each ``a.b=value`` applied.

    A value is read as TOML where it is TOML (``3``, ``0.5``, ``true``, ``[1, 2]``) and as text otherwise; words in
    brackets are a list of texts.

    >>> with_overrides({"crm": {"epochs": 3}}, ["crm.epochs=5", "data.path=/tmp/x"])
    {'crm': {'epochs': 5}, 'data': {'path': '/tmp/x'}}
    >>> with_overrides({}, ["evidence.forms=[verdicts,shared]"])
    {'evidence': {'forms': ['verdicts', 'shared']}}

    Raises:
        ConfigError: an override has no ``=``, or goes through a key that holds a plain value.
    """
    result = _copy(settings)
    for override in overrides:
        dotted, equals, text = override.partition("=")
        keys = dotted.strip().split(".")
        if not equals or not all(keys):
            raise ConfigError(f"--set {override!r}: wanted KEY=VALUE, such as crm.epochs=20")
        node = result
        for depth, key in enumerate(keys[:-1], start=1):
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise ConfigError(
                    f"--set {override!r}: {key!r} is a single value and has no parts, here {node!r}; "
                    f"give all parts at once: {'.'.join(keys[:depth])}={{...}}"
                )
        node[keys[-1]] = _value(text.strip())
    return result


def validate(model: type[C], settings: Mapping[str, Any], origin: str, overrides: Sequence[str] = ()) -> C:
    """Check ``settings`` against ``model``.

    Args:
        model: what they should be.
        settings: sections and settings, with the overrides applied.
        origin: a file or preset, which the message blames for what no override is to blame for.
        overrides: what ``with_overrides`` applied.

    Raises:
        ConfigError: a key is unknown or a value is not allowed; every fault is listed with its key.
    """
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        faults: dict[str, list[str]] = {}
        for detail in error.errors():
            keys, fault = _fault(model, detail)
            faults.setdefault(_blamed(keys, origin, overrides), []).append(fault)
        raise ConfigError("; ".join(f"{place}: {'; '.join(found)}" for place, found in faults.items())) from None


def _blamed(keys: Sequence[str], origin: str, overrides: Sequence[str]) -> str:
    """Return what set a faulty setting: the last override of it, of its section or of something in it; or the file."""
    changes = [f"--set {override!r}" for override in overrides]
    if not keys:  # settings that contradict each other: any of them may be meant
        return " with ".join([origin, *([", ".join(changes)] if changes else [])])
    fault = f"{'.'.join(keys)}."
    for override, change in zip(reversed(overrides), reversed(changes), strict=True):
        changed = f"{override.partition('=')[0].strip()}."
        if fault.startswith(changed) or changed.startswith(fault):
            return change
    return origin


def allowed_values(model: type[BaseModel], prefix: str = "") -> dict[str, tuple[str, ...]]:
    """Return every setting as ``section.key`` with its values, where they are few; else nothing behind it.

    >>> class Demo(Config):
    ...     kind: Literal["a", "b"] = "a"
    ...     epochs: int = 3
    >>> allowed_values(Demo)
    {'kind': ('a', 'b'), 'epochs': ()}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, field in model.model_fields.items():
        key, declared = prefix + name, (field.annotation, *get_args(field.annotation))
        sections = [kind for kind in declared if isinstance(kind, type) and issubclass(kind, BaseModel)]
        for section in sections:
            found |= allowed_values(section, f"{key}.")
        if not sections:
            found[key] = _choices(field.annotation)
    return found


def _choices(declared: Any) -> tuple[str, ...]:
    if declared is bool:
        return "true", "false"
    return tuple(map(str, get_args(declared))) if get_origin(declared) is Literal else ()


def _fault(model: type[BaseModel], detail: Any) -> tuple[list[str], str]:
    """Return the keys that lead to a wrong setting; and which it is, what is allowed, and what came."""
    *above, last = detail["loc"] or ("",)
    if detail["type"] == "extra_forbidden":
        section, owner = _followed(model, above)
        names, keys = getattr(owner, "model_fields", {}), [*section, str(last)]
        known = f"known here: {', '.join(sorted(names))}{_meant(model, keys, names)}"
        if section and last in model.model_fields:
            known = f"{last} is set once, at the top, and not in a section"
        return keys, f"{'.'.join(keys)}: no such setting; {known}"
    keys, owner = _followed(model, detail["loc"])
    wanted = detail["msg"]
    if detail["type"] == "union_tag_not_found":
        wanted = f"{detail['ctx']['discriminator']} should be one of {', '.join(map(repr, map(_tag, get_args(owner))))}"
    return keys, f"{'.'.join(keys) or 'settings'}: {wanted} (got {detail['input']!r})"


def _meant(model: type[BaseModel], keys: Sequence[str], names: Iterable[str]) -> str:
    """Return a question for what an unknown key may stand for: a name of its section, else one of any section."""
    *section, last = keys
    found = [".".join([*section, name]) for name in get_close_matches(last, names, n=1)]
    if not found:
        everywhere = allowed_values(model)
        close = get_close_matches(last, {key.rpartition(".")[2] for key in everywhere}, n=1)
        found = [key for key in everywhere if key.rpartition(".")[2] in close][:3]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _followed(model: type[BaseModel], location: Iterable[str | int]) -> tuple[list[str], Any]:
    """Return the keys that lead to a place, as they stand in a file, and what is declared there."""
    keys: list[str] = []
    declared: Any = model
    for part in location:
        member = next(
            (kind for kind in get_args(declared) if part in (_tag(kind), getattr(kind, "__name__", None))), None
        )
        if member:  # stands in no file: pydantic's name for the member of a union
            declared = member
            continue
        field = getattr(declared, "model_fields", {}).get(part)
        declared = _given(field.annotation) if field else None
        keys.append(str(part))
    return keys, declared


def _given(declared: Any) -> Any:
    """Return what stands in place of None, where that is one thing: pydantic tells no member of such a union."""
    others = [kind for kind in get_args(declared) if kind is not type(None)]
    return others[0] if len(others) == 1 and type(None) in get_args(declared) else declared


def _tag(member: Any) -> Any:
    """Return the default of the first field of a configuration, which tells it apart in a union; otherwise None."""
    first = next(iter(getattr(member, "model_fields", {}).values()), None)
    return first.default if first else None


def _copy(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in settings.items()}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return [_value(word.strip()) for word in text[1:-1].split(",")] if _WORDS.fullmatch(text) else text
