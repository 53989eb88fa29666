"""Every section of the configuration names what it does not know, and what it would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from scorerec.core.config import validate
from scorerec.core.errors import ConfigError
from scorerec.experiment.config import ExperimentConfig

Step = tuple[str, dict[str, Any]]  # a key, and what chooses the section below it among its like


def sections(
    model: type[BaseModel], steps: tuple[Step, ...] = ()
) -> Iterator[tuple[tuple[Step, ...], type[BaseModel]]]:
    """Yield the way to each section, and its model."""
    yield steps, model
    for name, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.model_fields:
                tag = str(field.discriminator) if field.discriminator else None
                yield from sections(kind, (*steps, (name, {tag: kind.model_fields[tag].default} if tag else {})))


PLACES = list(sections(ExperimentConfig))


def test_only_the_experiment_has_a_device() -> None:
    assert [model for _, model in PLACES if "device" in model.model_fields] == [ExperimentConfig]


@pytest.mark.parametrize(("steps", "model"), PLACES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_unknown_key_is_named_with_the_known_ones(steps: tuple[Step, ...], model: type[BaseModel]) -> None:
    settings: dict[str, Any] = {}
    place = settings
    for key, chosen in steps:
        place[key] = dict(chosen)
        place = place[key]
    place["no_such_key"] = 1
    with pytest.raises(ConfigError) as caught:
        validate(ExperimentConfig, settings, "a.toml")
    name = ".".join([*(key for key, _ in steps), "no_such_key"])
    assert f"{name}: no such setting; known here: {', '.join(sorted(model.model_fields))}" in str(caught.value)


def test_all_sections_are_here() -> None:
    assert len(PLACES) > 20
