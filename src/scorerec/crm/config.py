"""The settings of the conventional recommender; what is not given follows from model and recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, model_validator

from scorerec.core.config import Config, validate
from scorerec.core.errors import ConfigError
from scorerec.crm.recipes.kind import ModelSettings
from scorerec.crm.registry import model_kind

# Keys of what is expected by all that numbers tell (``crm.expectation``).
KNOWN_MEAN, REGRESSION, TREES, BOTH = EXPECTING = ("known-mean", "regression", "trees", "expectation")


class CRMConfig(Config):
    """Which conventional recommender, and how it is trained.

    A recipe is a set of defaults that the model brings: what is not given here is filled in from it.

    >>> CRMConfig(recipe="bce").settings.objective
    'bce'
    >>> CRMConfig.model_validate({"settings": {"dropout": 0.3}}).settings.dropout
    0.3
    """

    model: str = Field("sasrec", description="a name in crm.registry.MODULES")
    recipe: str = Field(
        "ranking",
        description="ranking: settings searched for the rank of held-out likes; library: as the paper's library has "
        "it; bce: the labels of all rows, for AUC on such rows and for nothing else",
    )
    selection: Literal["ranking", "auc"] = Field(
        "ranking",
        description="by which the epoch is chosen on validation rows: NDCG@20 of held-out likes among the whole "
        "catalogue, or AUC on labelled rows",
    )
    epochs: int = Field(100, ge=1, description="most passes over the training rows")
    patience: int = Field(10, ge=1, description="epochs without a better selection measure before it stops")
    max_ranked_rows: int = Field(
        6000, ge=1, description="validation likes that are ranked after each epoch, drawn at random; DIN takes long"
    )
    batch_size: int = Field(1024, ge=1, description="rows per step; tokens for models that read sequences")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, constant")
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    settings: SerializeAsAny[ModelSettings] = Field(
        ModelSettings(), description="what this model alone has; see its file"
    )

    @property
    def label(self) -> str:
        """What reports call the model."""
        return model_kind(self.model).label

    @model_validator(mode="before")
    @classmethod
    def _follow_recipe(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        kind = model_kind(str(given.get("model", cls.model_fields["model"].default)))
        recipe = str(given.get("recipe", cls.model_fields["recipe"].default))
        if recipe not in kind.recipes:
            raise ConfigError(
                f"crm.recipe: {kind.name} has {', '.join(sorted(kind.recipes))}, and no recipe {recipe!r}"
            )
        defaults = kind.recipes[recipe]
        settings = given.get("settings", {})
        if isinstance(settings, ModelSettings):
            settings = settings.model_dump()
        if not isinstance(settings, Mapping):
            raise ConfigError(f"crm.settings: wanted a table of settings, got {settings!r}")
        merged = {**defaults.get("settings", {}), **settings}
        return {**defaults, **given, "settings": validate(kind.settings, merged, "crm.settings")}
