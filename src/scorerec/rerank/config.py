"""The configuration of SARE."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scorerec.nn.config import FineTuneConfig


class SAREConfig(FineTuneConfig):
    """Which reranker, how it is tuned, and how much it reads."""

    teacher: Literal["assessment", "titles", "gain"] = Field(
        "assessment",
        description="who orders the candidates that it learns from: the assessment of what evidence is wanted (Eq. "
        "7-9); how close the titles of a behaviour come to the target; or by how much more probable the label of a "
        "training row is to the LM of SCORE-rerank where the behaviour alone is shown",
    )
    gain_targets: int = Field(
        500,
        ge=1,
        exclude_if=lambda value: value == 500,  # settings written before it was there mean the same
        description="gain only: how many of the assessed targets are ordered so",
    )
    reading: Literal["cross-encoder", "bi-encoder"] = Field(
        "cross-encoder",
        description="cross-encoder: prompt and behaviour read together; bi-encoder: Eq. 10 to the letter",
    )
    model: str = Field("BAAI/bge-reranker-large", description="model to start from: an id, a folder, embedded:...")
    max_length: int = Field(512, ge=16, description="tokens that are read; a cross-encoder's pair shares them")
    history_titles: int | None = Field(
        None, ge=0, description="most recent titles of the history in P^b; None: as many as the prompt has"
    )
    temperature: float = Field(0.02, gt=0, description="tau of Eq. 12, on a cosine or a sigmoid")
    n_negatives: int = Field(3, ge=1, description="sampled per target (Eq. 11)")
    shift: int = Field(5, ge=1, description="ranks at the top that give no negatives (Eq. 11)")
    held_out: float = Field(0.15, ge=0, lt=1, description="share of the users whose rankings only judge")
