"""The settings of evidence, read without the recommender and the encoder that find it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scorerec.core.config import Config
from scorerec.text.opinion import OpinionNumbers
from scorerec.text.record import RecordNumbers
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
    similarity: Literal["likes", "agreement"] = Field(
        "likes",
        exclude_if=lambda value: value == "likes",  # settings written before it was there mean the same
        description="likes: who shares more likes is more similar; agreement: items on which both are of one mind "
        "count for, others against; what the user did not like counts where evidence.own_dislikes allows it",
    )
    numbers: Numbers = Field("figures", description="figures: 31 of 40; percent: the share beside it; words: a feeling")


class OpinionConfig(Config):
    """What is told of what numbers alone expect."""

    model: Literal["regression", "trees", "expectation"] = Field(
        "expectation", description="whose opinion: the regression's, the boosted trees', or that of both"
    )
    numbers: OpinionNumbers = Field("figures", description="figures: 64 of 100; words: a feeling, in thirteen steps")


class RecordConfig(Config):
    """What is told of the user's own likes and dislikes."""

    numbers: RecordNumbers = Field("figures", description="figures: 12 of 30; words: some, in seven steps")


class SharedConfig(Config):
    """What is told of similar users who rated the target."""

    n_users: int = Field(2, ge=1, description="the most similar raters, at most")
    n_items: int = Field(2, ge=1, description="of what each shares with the user, the most telling items, at most")


class TitleAuditConfig(Config):
    """Which titles argue; a service calls their items by a neutral name where an LM reads of them."""

    prompts: int = Field(
        2, ge=0, description="training and validation prompts that ask about every title of the catalogue; 0: no audit"
    )
    bound: float = Field(
        4.0,
        gt=0,
        description="robust standard deviations by which a title may move the log odds of Yes from the middle title",
    )


class ConsensusConfig(Config):
    """Whose consensus is told."""

    n_groups: int = Field(12, ge=1, description="groups of training users, found without each fifth of them")
    n_titles: int = Field(12, ge=1, description="titles that speak for a group where an assessor is asked about it")
