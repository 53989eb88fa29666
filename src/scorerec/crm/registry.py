"""The conventional recommenders there are; a new one is one line here."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from scorerec.core.errors import ArtifactError, ConfigError
from scorerec.crm.recipes import core_session, din, gru4rec, lightgcn, mf, sasrec

if TYPE_CHECKING:
    import torch

    from scorerec.crm.base import ConventionalRecommender
    from scorerec.crm.recipes.kind import Kind

MODELS: dict[str, Kind] = {
    module.KIND.name: module.KIND
    for module in (
        mf,
        lightgcn,
        din,
        gru4rec,
        core_session,
        sasrec,
    )
}


def model_kind(name: str) -> Kind:
    """Return what is known of the model called ``name``; its network is not imported.

    Raises:
        ConfigError: there is none.
    """
    if name not in MODELS:
        raise ConfigError(f"crm.model: wanted one of {', '.join(sorted(MODELS))}, got {name!r}")
    return MODELS[name]


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
    if name not in MODELS:
        raise ArtifactError(f"{folder}: holds a {name!r}; this version knows {', '.join(sorted(MODELS))}")
    return model_class(name).load(folder, device)
