"""Writing with a causal language model: greedily, many prompts at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from transformers import GenerationConfig

from scorerec.core.errors import ConfigError
from scorerec.llm.backbone import Backbone
from scorerec.llm.encode import PromptEncoder
from scorerec.llm.quiet import quiet_transformers
from scorerec.nn.batching import pad
from scorerec.text.budget import Budget
from scorerec.text.segments import Segment


class Written(NamedTuple):
    """What a model wrote.

    Attributes:
        text: without special tokens.
        tokens_in: tokens of the prompt, chat template included.
        tokens_out: tokens that were written, the one that ends the text included.
    """

    text: str
    tokens_in: int
    tokens_out: int


class Writer:
    """Continues prompts with one model; each token is the likeliest.

    Args:
        backbone: the model.
        max_new_tokens: tokens after which a text ends, wherever it is.

    Raises:
        ConfigError: they are all that the model reads, and no prompt has room beside them.
    """

    def __init__(self, backbone: Backbone, max_new_tokens: int):
        self.backbone = backbone
        room = None if backbone.positions is None else backbone.positions - max_new_tokens
        if room is not None and room < 1:
            raise ConfigError(
                f"max_new_tokens: wanted fewer than the {backbone.positions} tokens that {backbone.name} reads, prompt "
                f"included, got {max_new_tokens}"
            )
        self._encoder = PromptEncoder(backbone.tokenizer, Budget(tokens=room))
        ends = backbone.model.generation_config.eos_token_id
        self._ends = [ends] if isinstance(ends, int) else list(ends or ())
        self._settings = GenerationConfig(
            max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=self._ends or None, pad_token_id=0
        )

    def write(self, prompts: Sequence[Sequence[Segment]]) -> list[Written]:
        """Return what the model writes behind each prompt; all of them are read at once.

        Raises:
            ConfigError: wording and target of a prompt are longer than the model reads.
        """
        rows = self._encoder.encode(prompts).tokens
        batch = pad(rows, side="left")  # (B, T)
        tokens, mask = (torch.from_numpy(array).to(self.backbone.device) for array in batch)
        with torch.inference_mode(), quiet_transformers():
            found = self.backbone.model.eval().generate(
                input_ids=tokens, attention_mask=mask.long(), generation_config=self._settings
            )
        return [
            self._written(len(row), new) for row, new in zip(rows, found[:, tokens.shape[1] :].tolist(), strict=True)
        ]

    def _written(self, n_read: int, new: list[int]) -> Written:
        end = next((place for place, token in enumerate(new) if token in self._ends), len(new) - 1)
        text = self.backbone.tokenizer.decode(new[: end + 1], skip_special_tokens=True)
        return Written(" ".join(text.split()), n_read, end + 1)
