"""The settings of evidence, read without the recommender and the encoder that find it."""

from __future__ import annotations

from pydantic import Field

from scorerec.core.config import Config
from scorerec.text.verdicts import Numbers


class FindingConfig(Config):
    """How candidates are found (K_e of them); the paper: by the cosine of CAR's vectors alone."""

    crm_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the recommender's similarity (Eq. 4) in one score with CAR's cosine",
    )
    activity: float = Field(
        0.0,
        ge=0,
        le=1,
        description="a behaviour's similarity (of CAR, and of -cf) counts times the number of its items to this power: "
        "who liked more can tell about more targets",
    )


class VerdictConfig(Config):
    """What is told of what others thought of a target."""

    n_similar: int = Field(8, ge=1, description="raters whose items the user shares most that are told apart, at most")
    numbers: Numbers = Field("figures", description="figures: 31 of 40; percent: the share beside it; words: a feeling")
