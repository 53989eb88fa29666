"""The settings of a service."""

from __future__ import annotations

from pydantic import Field

from scorerec.core.config import Config


class ServeConfig(Config):
    """How a run is served."""

    shortlist: int = Field(40, ge=1, description="items that the recommender proposes, and the LM scores at most")
    seconds: float = Field(
        4.0, gt=0, description="time budget of one recommendation: what the LM has not scored by then keeps its order"
    )
    chunk: int = Field(10, ge=1, description="items of each request that the LM scores between two looks at the clock")
    min_users: int = Field(
        5,
        ge=1,
        description="a title is shown as evidence only where so many users of the corpus have it, and a verdict only "
        "over so many raters",
    )

    max_bytes: int = Field(1_000_000, ge=1000, description="of a request")
    max_waiting: int = Field(32, ge=1, description="requests that wait for the models; more are told to come later")
    max_together: int = Field(8, ge=1, description="waiting requests whose prompts are scored together, at most")
    timeout_seconds: float = Field(60.0, gt=0, description="after so many a request is given up")
    requests_per_minute: int = Field(600, ge=1, description="of each key; of each address where there are no keys")

    lm_url: str | None = Field(
        None, description="server that serves the tuned LM (vLLM, SGLang, llama.cpp); None: it runs in this process"
    )
    lm_name: str = Field("scorerec", description="what that server calls the model")

    share_prefixes: bool | None = Field(
        None, description="whether what prompts begin with alike is read once; None: as in the run"
    )
    cached_scores: int = Field(100_000, ge=0, description="scores that are kept of prompts that may come again")
    pinned_rows: int = Field(8, ge=1, description="rows of the run that are scored again before it serves")
    tolerance: float = Field(
        0.02, gt=0, description="how far p(Yes) of a pinned row may lie from the run's own: machines round otherwise"
    )
    reload_seconds: float = Field(10.0, gt=0, description="how often it is looked whether the run was made anew")
