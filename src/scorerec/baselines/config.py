"""The settings of baselines whose torch code reads them too; those of the others stand in their own files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scorerec.core.config import Config
from scorerec.llm.config import OptimiserConfig


class LLaRAConfig(Config):
    """How LLaRA goes from text to text with vectors."""

    schedule: Literal["paper", "as-released"] = Field(
        "paper",
        description="chance that a batch is read with vectors: from 0 to 1 over all steps; or, as the released code "
        "does it, from 0 to 1 / epochs in each epoch anew",
    )


class CoLLMConfig(Config):
    """The second stage of CoLLM: the projector alone."""

    expansion: int = Field(10, ge=1, description="inner width of the projector, in lengths of a vector")
    learning_rate: float = Field(1e-3, gt=0, description="peak, of the projector")
    epochs: int = Field(2, ge=1, description="passes over the training rows with the projector alone")


class BinLLMConfig(Config):
    """The codes of BinLLM and how they are learnt."""

    n_bits: int = Field(32, ge=8, multiple_of=8, description="bits of a code")
    form: Literal["bits", "dot-decimal"] = Field(
        "dot-decimal", description="bits: 0101...; dot-decimal: each 8 bits as a number, as in an address"
    )
    dimension: int = Field(32, ge=1, description="length of item vectors before they become bits")
    learning_rate: float = Field(1e-2, gt=0, description="of AdamW")
    weight_decay: float = Field(1e-3, ge=0, description="of AdamW")
    batch_size: int = Field(2048, ge=1, description="rows per step")
    epochs: int = Field(100, ge=1, description="most passes over the training rows")
    patience: int = Field(10, ge=1, description="epochs without a better validation AUC before it stops")
    hardening: float = Field(
        0.05, ge=0, le=1, description="how much the share of values that are read as bits grows in each epoch, up to 1"
    )


class CoRALConfig(Config):
    """How the policy is learnt; what the paper of CoRAL leaves open is the library's default."""

    llm: Literal["text-tuned", "untuned"] = Field(
        "text-tuned", description="the frozen LM that answers; CoRAL's is a general LLM, which small ones are not"
    )
    n_steps: int = Field(10_000, ge=1, description="steps of the policy; each asks the LM once or twice")
    rounds: int = Field(5, ge=1, description="users and items that are told when recommending")
    max_rounds: int = Field(10, ge=1, description="of an episode of training")
    close_enough: float = Field(0.1, ge=0, description="an episode ends when |p - y| is below")
    replay: int = Field(1000, ge=1, description="steps that are remembered")
    batch_size: int = Field(16, ge=1, description="remembered steps per update")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's, for policy and value")
    noise: float = Field(0.1, ge=0, description="sigma of the Ornstein-Uhlenbeck noise on actions")
    random_steps: int = Field(100, ge=0, description="first steps, which act at random")
    selections: int = Field(4, ge=1, description="how often validation AUC is computed; the best policy is kept")
    max_valid_rows: int = Field(1000, ge=2, description="validation rows for that, drawn at random")


class EncoderScorerConfig(OptimiserConfig):
    """Which encoder, and how it is tuned; titles are shown as the LM is shown them."""

    model: str = Field("embedded:minilm", description="embedded:minilm, or a Hugging Face id or folder of an encoder")
    max_tokens: int = Field(256, ge=16, description="tokens of a prompt; the oldest titles go first")
    frozen_layers: int = Field(0, ge=0, description="first layers, embeddings with them, that are not tuned")
    epochs: int = Field(2, ge=1, description="passes over the training rows")
    batch_size: int = Field(32, ge=1, description="prompts at once")
    max_train_rows: int | None = Field(None, ge=2, description="training rows, drawn at random; None: all")
    max_valid_rows: int | None = Field(2000, ge=2, description="validation rows, which choose the epoch; None: all")
    learning_rate: float = Field(5e-5, gt=0, description="peak")
