"""How a language model is tuned and how it reads prompts: the settings of Eq. 13 and 14."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from scorerec.core.config import Config
from scorerec.llm.calibrate import OneNumber
from scorerec.text.budget import Budget

TOY = "toy"  # the LM that a run trains itself
SMOLLM2 = "embedded:smollm2"  # the pretrained LLM that a Python package brings
SMOLLM2_NAME = "SmolLM2-135M-Instruct (4-bit weights, dequantised)"
Precision = Literal["checkpoint", "fp32", "bf16", "fp16"]
Units = Literal["words", "phrases"]


def _is_none(value: object) -> bool:
    """Whether a setting stands for what was before it was there, and so is left out of what names a result."""
    return value is None


class OptimiserConfig(Config):
    """How fast weights change."""

    learning_rate: float = Field(1e-4, gt=0, description="peak")
    schedule: Literal["linear", "constant"] = Field("linear", description="decay after the warm-up: to 0, or none")
    warmup_share: float = Field(0.05, ge=0, lt=1, description="share of the steps that warm up")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's")
    max_gradient_norm: float = Field(1.0, gt=0, description="longer gradients are cut to this length")


class LoRAConfig(Config):
    """The adapter; defaults are those of the paper (Appendix B)."""

    rank: int = Field(8, ge=1, description="r")
    alpha: float = Field(32, gt=0, description="updates are scaled by alpha / r")
    dropout: float = Field(0.1, ge=0, lt=1, description="of the adapter's input")
    modules: tuple[str, ...] = Field(
        ("k_proj", "v_proj", "q_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
        description="layers that get an adapter",
    )
    last_layers: int | None = Field(
        None,
        ge=1,
        exclude_if=_is_none,
        description="transformer blocks, from the top, that get one; None: all",
    )
    plus_ratio: float | None = Field(
        None,
        gt=0,
        exclude_if=_is_none,
        description="LoRA+: learning rate of B as a multiple of that of A; None: the same, as in LoRA",
    )


class RateConfig(Config):
    """How long the steps of one method are, where another method learns best with others."""

    learning_rate: float = Field(gt=0, description="peak, in place of llm.learning_rate")
    plus_ratio: float | None = Field(None, gt=0, description="in place of llm.lora.plus_ratio; None: as in LoRA")


class ToyConfig(OptimiserConfig):
    """The size of the toy LM and how it is trained."""

    vocabulary: int = Field(8000, ge=300, description="tokens of the vocabulary")
    units: Units = Field("phrases", description="what a token may span: words, or phrases such as whole titles")
    width: int = Field(64, ge=8, description="hidden values per token")
    layers: int = Field(2, ge=1, description="transformer layers")
    heads: int = Field(2, ge=1, description="attention heads")
    inner_width: int = Field(172, ge=8, description="width inside the feed-forward layers")
    is_tied: bool = Field(True, description="whether input and output embeddings are the same")
    max_positions: int = Field(2048, ge=16, description="longest text in tokens that it is made for")
    max_text_tokens: int = Field(128, ge=8, description="tokens of a text that are read in pre-training")
    epochs: int = Field(1, ge=0, description="passes over the texts; 0 leaves the weights random")
    batch_size: int = Field(32, ge=1, description="texts per step")
    learning_rate: float = Field(3e-3, gt=0, description="peak")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's")

    @property
    def parameters(self) -> int:
        """How many weights it has where the texts fill its vocabulary."""
        attention, feed_forward, norms = 4 * self.width**2, 3 * self.width * self.inner_width, 2 * self.width
        embeddings = self.vocabulary * self.width * (1 if self.is_tied else 2)
        return embeddings + self.layers * (attention + feed_forward + norms) + self.width


def toy_name(parameters: int) -> str:
    """Return what reports call a toy LM of so many parameters.

    >>> toy_name(611_000)
    'toy LM (0.6 million weights that this run trained itself; no pretrained LLM)'
    """
    return f"toy LM ({parameters / 1e6:.1f} million weights that this run trained itself; no pretrained LLM)"


class ScoringConfig(Config):
    """How the tuned LM's answers become scores."""

    exact_answers: bool = Field(
        False,
        exclude_if=lambda value: not value,  # settings written before it was there mean the same
        description="compute the logits of Yes and No from the model's last state in fp32, whatever the precision of "
        "its weights: in bf16 1,000 rows have 57 different scores, and a user's rows end in ties; needs share_prefixes",
    )


class LLMConfig(OptimiserConfig):
    """One language model: what it reads, and how it is tuned."""

    backbone: str = Field(
        TOY,
        description=f"a Hugging Face id or a folder; {SMOLLM2}: the pretrained LLM of a package; {TOY}: the small LM "
        "that the run itself trains",
    )
    tune: Literal["lora", "full", "none"] = Field(
        "full", description="adapters, all weights (for small models), or none: the backbone is used as it is"
    )
    lora: LoRAConfig = LoRAConfig()

    max_tokens: int | None = Field(
        512, ge=1, description="tokens of a prompt, chat template included; the oldest titles go first"
    )
    history_titles: int | None = Field(10, ge=0, description="most recent titles of the user that are shown")
    history_step: int = Field(
        1,
        ge=1,
        exclude_if=lambda value: value == 1,  # settings written before it was there mean the same
        description="what is shown of it starts at a multiple of so many titles, and is up to step - 1 titles longer: "
        "rows of one user begin alike",
    )
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
    max_train_rows: int | None = Field(
        None,
        ge=2,
        description="training rows, drawn at random (in runs of one history where prompts share them); None: all",
    )
    named_share: float = Field(
        0.0,
        ge=0,
        le=1,
        exclude_if=lambda value: not value,
        description="share of them that is drawn among those whose evidence names the target, as far as there are any "
        "(among the runs that have such a row): else few rows teach what evidence means",
    )

    selections_per_epoch: int = Field(
        1,
        ge=0,
        description="how often validation AUC is computed; the best is kept. 0: once, behind the last step, which is "
        "kept: few validation rows choose by chance",
    )
    calibrate: OneNumber | None = Field(
        None,
        exclude_if=lambda value: value is None,  # settings written before it was there mean the same
        description="what of the log odds of an LM that was tuned on prompts is fitted on these rows, by the labels "
        "and the teacher as they teach: their slope, where it is too sure, or their level, where it says Yes too often",
    )
    max_valid_rows: int | None = Field(None, ge=2, description="validation rows, likewise; None: all")
    patience: int | None = Field(None, ge=1, description="selections without gain before it stops; None: no early stop")

    chat_template: bool = Field(
        True,
        exclude_if=lambda value: value,  # settings written before it was there mean the same
        description="whether prompts are dressed in the tokenizer's chat template, where it has one",
    )
    taught_by: Literal["counts", "expectation"] = Field(
        "counts",
        exclude_if=lambda value: value == "counts",  # settings written before it was there mean the same
        description="who: the regression on the counts of verdicts, or what is expected by all that numbers tell",
    )
    teacher: float = Field(
        0.0,
        ge=0,
        le=1,
        exclude_if=lambda value: not value,
        description="share of the answer that is learned from a regression on the counts of verdicts, which says how "
        "probable Yes is, and not from the label: few rows then teach an LM to read",
    )

    share_prefixes: bool = Field(
        False,
        exclude_if=lambda value: not value,
        description="compute what prompts begin with alike once, where the model can; steps then consist of packs",
    )
    pack_branches: int = Field(16, ge=1, exclude_if=lambda value: value == 16, description="most prompts in a pack")
    pack_tokens: int = Field(
        384, ge=1, exclude_if=lambda value: value == 384, description="most tokens in a pack, shared ones counted once"
    )
    kept_gib: float = Field(
        2.0,
        ge=0,
        exclude_if=lambda value: value == 2.0,
        description="memory for the states below the lowest trained layer of prompts that come again; with packs",
    )

    score_batch_size: int = Field(128, ge=1, description="prompts at once in scoring")
    precision: Precision = Field("checkpoint", description="of the weights; checkpoint: as they were saved")
    gradient_checkpointing: bool = Field(False, description="compute activations twice, to save memory")
    processes: int = Field(1, ge=1, description="that tune together, each with a GPU of its own")
    threads: int | None = Field(None, ge=1, description="processor threads; None: as torch is set already")

    @field_validator("backbone")
    @classmethod
    def _known_backbone(cls, name: str) -> str:
        if name == "embedded" or (name.startswith("embedded:") and name != SMOLLM2):
            raise ValueError(
                f"wanted {SMOLLM2}, a pretrained LLM, or {TOY}, the small LM that the run trains itself, got {name!r}"
            )
        return name

    @property
    def decisive(self) -> dict[str, Any]:
        """The settings that decide what is learned; memory for what would be computed again decides nothing."""
        return {name: value for name, value in super().decisive.items() if name != "kept_gib"}

    def at(self, rate: RateConfig | None) -> LLMConfig:
        """Return these settings with the rates of one method; None: as they are."""
        if rate is None:
            return self
        lora = self.lora.model_copy(update={"plus_ratio": rate.plus_ratio})
        return self.model_copy(update={"learning_rate": rate.learning_rate, "lora": lora})

    def titles(self, users: int) -> Budget:
        """Return the titles that a prompt may show, of so many similar users, however many tokens these take."""
        return Budget(
            history_titles=self.history_titles,
            history_step=self.history_step,
            evidence_titles=self.evidence_titles,
            evidence_users=users,
        )

    @property
    def budget(self) -> Budget:
        """What a prompt may show."""
        return Budget(
            tokens=self.max_tokens,
            history_titles=self.history_titles,
            history_step=self.history_step,
            evidence_titles=self.evidence_titles,
            evidence_users=self.evidence_users,
        )
