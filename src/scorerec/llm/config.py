"""How a language model is tuned and how it reads prompts: the settings of Eq. 13 and 14."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scorerec.llm.backbone import Precision
from scorerec.llm.lora import LoRAConfig
from scorerec.llm.optimise import OptimiserConfig
from scorerec.text.budget import Budget


class LLMConfig(OptimiserConfig):
    """One language model: what it reads, how it is tuned, where it computes."""

    backbone: str = Field(
        "embedded", description="a Hugging Face id or a folder; embedded: the small LM that the run itself trains"
    )
    tune: Literal["lora", "full", "none"] = Field(
        "full", description="adapters, all weights (for small models), or none: the backbone is used as it is"
    )
    lora: LoRAConfig = LoRAConfig()

    max_tokens: int | None = Field(
        512, ge=1, description="tokens of a prompt, chat template included; the oldest titles go first"
    )
    history_titles: int | None = Field(10, ge=0, description="most recent titles of the user that are shown")
    evidence_titles: int | None = Field(4, ge=1, description="most recent titles of each similar user that are shown")
    evidence_users: int | None = Field(None, ge=0, description="similar users that are shown; None: all in the prompt")

    loss: Literal["vocabulary", "two-logit"] = Field(
        "vocabulary", description="softmax over all tokens at the answer, or over Yes and No alone"
    )
    history_augmentation: bool = Field(
        False,
        description="show a random part of the user's own titles in training, drawn anew in each epoch, order kept",
    )
    evidence_augmentation: bool = Field(
        False,
        exclude_if=lambda value: not value,  # settings written before it was there mean the same
        description="the same for the titles of each similar user",
    )
    embedding_dropout: float = Field(0.0, ge=0, lt=1, description="share of embedding values dropped in training")
    epochs: int = Field(3, ge=1, description="passes over the training rows")
    batch_size: int = Field(64, ge=1, description="prompts at once in training")
    gradient_accumulation: int = Field(1, ge=1, description="batches per step")
    max_train_rows: int | None = Field(None, ge=2, description="training rows, drawn at random; None: all")

    selections_per_epoch: int = Field(1, ge=1, description="how often validation AUC is computed; the best is kept")
    max_valid_rows: int | None = Field(None, ge=2, description="validation rows, drawn at random; None: all")
    patience: int | None = Field(None, ge=1, description="selections without gain before it stops; None: no early stop")

    score_batch_size: int = Field(128, ge=1, description="prompts at once in scoring")
    precision: Precision = Field("checkpoint", description="of the weights; checkpoint: as they were saved")
    gradient_checkpointing: bool = Field(False, description="compute activations twice, to save memory")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, ...")
    processes: int = Field(1, ge=1, description="that tune together, each with a GPU of its own")
    threads: int | None = Field(None, ge=1, description="processor threads; None: as torch is set already")

    @property
    def budget(self) -> Budget:
        """What a prompt may show."""
        return Budget(
            tokens=self.max_tokens,
            history_titles=self.history_titles,
            evidence_titles=self.evidence_titles,
            evidence_users=self.evidence_users,
        )
