"""The conventional recommenders there are; a new one is one line here."""

from __future__ import annotations

from pathlib import Path

import torch

from scorerec.core.errors import ArtifactError, ConfigError
from scorerec.crm.base import ConventionalRecommender, read_description
from scorerec.crm.core_session import CORE
from scorerec.crm.din import DIN
from scorerec.crm.gru4rec import GRU4Rec
from scorerec.crm.lightgcn import LightGCN
from scorerec.crm.mf import MF
from scorerec.crm.sasrec import SASRec

MODELS: dict[str, type[ConventionalRecommender]] = {
    model.name: model for model in (MF, LightGCN, DIN, GRU4Rec, CORE, SASRec)
}


def model_class(name: str) -> type[ConventionalRecommender]:
    """Return the model called ``name``.

    Raises:
        ConfigError: there is none.
    """
    if name not in MODELS:
        raise ConfigError(f"crm.model: wanted one of {', '.join(sorted(MODELS))}, got {name!r}")
    return MODELS[name]


def load_crm(folder: Path, device: str | torch.device = "cpu") -> ConventionalRecommender:
    """Return the model that ``ConventionalRecommender.save`` left in ``folder``, whichever it is.

    Raises:
        ArtifactError: a file is missing or damaged, or holds a model that this version does not know.
    """
    name = read_description(folder).get("model")
    if name not in MODELS:
        raise ArtifactError(f"{folder}: holds a {name!r}; this version knows {', '.join(sorted(MODELS))}")
    return MODELS[name].load(folder, device)
