"""What a kind of recommender is to configuration: names, settings, recipes, and where its network stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scorerec.core.config import Config


class ModelSettings(Config):
    """Base of the settings that one model has and others have not."""


@dataclass(frozen=True)
class Kind:
    """One conventional recommender, before torch is loaded.

    Attributes:
        name: what configuration calls it.
        label: what reports call it.
        settings: the type of what it alone has.
        network: its subclass of ``ConventionalRecommender``, as ``module:class``.
        recipes: recipe -> defaults of ``CRMConfig`` and, under "settings", of ``settings``.
    """

    name: str
    label: str
    settings: type[ModelSettings]
    network: str
    recipes: Mapping[str, Mapping[str, Any]]
