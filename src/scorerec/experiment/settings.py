"""What a stage sees of the configuration: the settings that it declared, and nothing else.

A stage names its settings once. They decide its identity, and they are all that it is given: whoever reads another one
hears of it at once, and no result can go stale because a setting was forgotten.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from scorerec.core.config import Config

EVERYTHING = "*"
# Settings that several stages read.
TITLES = ("prompt.domain", "prompt.describe")  # how an item is written
OWN_TITLES = (*TITLES, "prompt.history_titles", "prompt.history_step")  # P^r
HISTORY = (*OWN_TITLES, "prompt.question")  # P^b
BEHAVIOUR = (*TITLES, "prompt.behaviour_titles")  # d(H(u)) as an encoder reads it
# What an LM reads.
BUDGET = ("llm.max_tokens", "llm.history_titles", "llm.history_step", "llm.evidence_titles", "llm.evidence_users")
FREE = ("device", "threads")  # they say where and how fast, never what
_HELD_BACK = "!"


class UndeclaredError(RuntimeError):
    """A stage read a setting or an artifact that it does not declare: a fault of the program."""


def without(section: str, *names: str) -> str:
    """Return the path of a section of which some settings stay at their defaults, whatever the configuration says.

    >>> without("llm", "evidence_augmentation")
    'llm!evidence_augmentation'
    """
    return _HELD_BACK.join((section, *names))


class View:
    """A configuration of which only some settings can be read; a section in part is a view as well.

    Properties of a configuration may be read where all that they read may be.

    Args:
        model: the configuration, or a section of it.
        paths: what may be read: ``car``, ``prompt.domain``, or what ``without`` returns.
        reader: who reads, for the message.
        read: collects the paths that were read.
        prefix: of the section.
    """

    __slots__ = ("_model", "_paths", "_prefix", "_read", "_reader")

    def __init__(self, model: BaseModel, paths: tuple[str, ...], reader: str, read: set[str], prefix: str = ""):
        self._model, self._paths, self._reader, self._read, self._prefix = model, paths, reader, read, prefix

    def __getattr__(self, name: str) -> Any:
        if name not in type(self._model).model_fields:
            return self._derived(name)
        own, value = self._prefix + name, getattr(self._model, name)
        for path in self._paths:
            whole, *held_back = path.split(_HELD_BACK)
            if own == whole:
                self._read.add(path)
                return _at_defaults(value, held_back)
        if own in FREE:
            return value
        if any(path.startswith(f"{own}.") for path in self._paths):
            return View(value, self._paths, self._reader, self._read, f"{own}.")
        raise UndeclaredError(f"{self._reader} reads the setting {own}, which it does not declare")

    def _derived(self, name: str) -> Any:
        """Return a property, or what a method gives, computed from what may be read."""
        found = inspect.getattr_static(type(self._model), name)
        if isinstance(found, property) and found.fget is not None:
            return found.fget(self)
        if inspect.isfunction(found) and not hasattr(BaseModel, name):
            return found.__get__(self)
        raise UndeclaredError(f"{self._reader} reads {self._prefix}{name}, which is no setting")


def _at_defaults(value: Any, names: Iterable[str]) -> Any:
    defaults = {name: type(value).model_fields[name].get_default(call_default_factory=True) for name in names}
    return value.model_copy(update=defaults) if defaults else value


def identity_of(config: Config, paths: Iterable[str]) -> dict[str, Any]:
    """Return what of some settings decides a result, by path.

    A section may say that some of its settings do not, or what stands for them (see ``Config.decisive``). One that is
    excluded where it means what was so before it was there is left out.

    Args:
        config: the whole configuration.
        paths: as a stage declares them.
    """
    return dict(_identities(config, paths))


def _identities(config: Config, paths: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for path in paths:
        if path == EVERYTHING:
            yield path, config.model_dump(mode="json")
            continue
        whole, *held_back = path.split(_HELD_BACK)
        *above, last = whole.split(".")
        owner: Any = config
        for name in above:
            owner = getattr(owner, name)
        value = getattr(owner, last)
        if isinstance(value, Config):
            yield path, {name: one for name, one in value.decisive.items() if name not in held_back}
        elif last in owner.model_dump(include={last}):
            yield path, owner.stands_for(last)
