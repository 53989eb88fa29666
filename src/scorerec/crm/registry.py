"""The conventional recommenders there are; a new one is one line here."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from scorerec.core.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    import torch

    from scorerec.crm.base import ConventionalRecommender
    from scorerec.crm.recipes.kind import Kind

_RECIPES = "scorerec.crm.recipes"
# Name -> the module with its ``KIND``. One that holds the network too will do; torch is loaded when it is chosen then.
MODULES = {
    "mf": f"{_RECIPES}.mf",
    "lightgcn": f"{_RECIPES}.lightgcn",
    "din": f"{_RECIPES}.din",
    "gru4rec": f"{_RECIPES}.gru4rec",
    "core": f"{_RECIPES}.core_session",
    "sasrec": f"{_RECIPES}.sasrec",
}


def model_kind(name: str) -> Kind:
    """Return what is known of the model called ``name``; its network is not imported.

    Raises:
        ConfigError: there is none.
    """
    if name not in MODULES:
        raise ConfigError(f"crm.model: wanted one of {', '.join(sorted(MODULES))}, got {name!r}")
    found: Kind = importlib.import_module(MODULES[name]).KIND
    return found


def model_class(name: str) -> type[ConventionalRecommender]:
    """Import and return the network of the model called ``name``.

    Raises:
        ConfigError: there is none.
    """
    module, _, network = model_kind(name).network.partition(":")
    found: type[ConventionalRecommender] = getattr(importlib.import_module(module), network)
    return found


def load_crm(folder: Path, device: str | torch.device = "cpu") -> ConventionalRecommender:
    """Return the model that ``ConventionalRecommender.save`` left in ``folder``, whichever it is.

    Raises:
        ArtifactError: a file is missing or damaged, or holds a model that this version does not know.
    """
    from scorerec.crm.base import read_description

    name = read_description(folder).get("model")
    if name not in MODULES:
        raise ArtifactError(f"{folder}: holds a {name!r}; this version knows {', '.join(sorted(MODULES))}")
    return model_class(name).load(folder, device)
