"""The settings of who is found, read without the recommender and the encoder that find."""

from __future__ import annotations

from pydantic import Field

from scorerec.core.config import Config


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
