"""The settings of similarity and of CAR."""

from __future__ import annotations

from pydantic import Field

from scorerec.core.config import Config
from scorerec.nn.config import FineTuneConfig


class SimilarityConfig(Config):
    """What is done to users' vectors before the inner product of Eq. 4; the paper does nothing."""

    centre: bool = Field(False, description="subtract the mean over the training behaviours")
    unit: bool = Field(False, description="scale to length 1: the inner product is a cosine")


class CARConfig(FineTuneConfig):
    """How the retriever is tuned. K_c is the number of neighbours in the table that it is given."""

    model: str = Field("microsoft/mpnet-base", description="encoder to start from: an id, a folder, embedded:...")
    max_length: int | None = Field(None, ge=8, description="tokens of a text that are read; None: the model's")
    temperature: float = Field(0.1, gt=0, description="tau of Eq. 6")
    n_prefixes: int = Field(
        0, ge=0, description="earlier histories per user that are anchors too; 0 as in the paper: none"
    )
    held_out: float = Field(0.15, ge=0, lt=1, description="share of the users that take no part in training")
    recall_at: int = Field(10, ge=1, description="candidates among which held-out neighbours are looked for")
