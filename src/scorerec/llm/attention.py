"""Where a model looks when it answers: the attention of the last token, on each token of a prompt (Fig. 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from peft import PeftModel

from scorerec.core.errors import ConfigError, ModelError
from scorerec.llm.score import Scorer
from scorerec.text.segments import Segment, render

VECTOR = "vector"  # kind of a token that is a projected vector, beside the kinds of segments
TEMPLATE = "template"  # kind of a token that the chat template adds


class TokenWeight(NamedTuple):
    """One token of a prompt.

    Attributes:
        text: the token.
        kind: one of those of segments, ``vector`` or ``template``.
        weight: share of the attention of the position where the answer is read; a prompt's weights add up to 1.
    """

    text: str
    kind: str
    weight: float


def prompt_attention(
    scorer: Scorer, prompt: Sequence[Segment], layers: Sequence[int] | None = None, heads: Sequence[int] | None = None
) -> list[TokenWeight]:
    """Return what the answer's position attends to, as the model reads the prompt.

    Args:
        scorer: the model.
        prompt: its segments; what the budget takes out is not read.
        layers: numbers from 0, averaged; None: the middle third.
        heads: numbers from 0, averaged; None: all.

    Raises:
        ConfigError: there is no such layer or head.
        ModelError: the tokens cannot be traced back to the prompt.
    """
    (read,) = scorer.encoder.as_read([prompt])
    (tokens,) = scorer.encoder.encode([prompt]).tokens
    backbone = scorer.backbone
    with torch.inference_mode(), _explicit_attention(backbone.model.eval()) as model:
        row = torch.from_numpy(tokens.astype(np.int64))[None].to(backbone.device)
        attentions = model(input_ids=row, use_cache=False, output_attentions=True).attentions
    n_layers, n_heads = len(attentions), attentions[0].shape[1]
    chosen = _chosen(layers, n_layers, "layer", range(n_layers // 3, max(n_layers // 3 + 1, -(-2 * n_layers // 3))))
    picked = _chosen(heads, n_heads, "head", range(n_heads))
    weights = torch.stack([attentions[layer][0, list(picked), -1].float().mean(0) for layer in chosen]).mean(0)
    kinds = _kinds(scorer.encoder.tokenizer, tokens.tolist(), read)
    texts = [scorer.encoder.tokenizer.decode([token]) for token in tokens.tolist()]
    return [TokenWeight(*entry) for entry in zip(texts, kinds, weights.tolist(), strict=True)]


def _chosen(numbers: Sequence[int] | None, count: int, what: str, default: Sequence[int]) -> Sequence[int]:
    wrong = [number for number in numbers or () if not 0 <= number < count]
    if wrong:
        raise ConfigError(f"{what} {wrong[0]}: this model has {what}s 0 to {count - 1}")
    return default if numbers is None else numbers


@contextmanager
def _explicit_attention(model: Any) -> Iterator[Any]:
    """Let a model compute its attention in the open for a block: the fast kernels never write it down."""
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    before = inner.config._attn_implementation
    inner.set_attn_implementation("eager")
    try:
        yield model
    finally:
        inner.set_attn_implementation(before)


def _kinds(tokenizer: Any, tokens: list[int], read: Sequence[Segment]) -> list[str]:
    """Return the kind of each token, by the place of its last letter in the text; white space is not counted."""
    ends = [_n_letters(render(read[: place + 1])) for place in range(len(read))]
    kinds_of_letters = [
        segment.kind for segment, start, end in zip(read, [0, *ends], ends, strict=False) for _ in range(end - start)
    ]
    whole, prompt = "".join(tokenizer.decode(tokens).split()), "".join(render(read).split())
    start = whole.find(prompt)
    if start < 0:
        raise ModelError("the tokenizer does not give the prompt back as it was: tokens cannot be told apart by span")
    first_vector = getattr(tokenizer, "first_id", None)
    found = []
    for place, token in enumerate(tokens):
        letter = _n_letters(tokenizer.decode(tokens[: place + 1])) - 1 - start
        kind = kinds_of_letters[letter] if 0 <= letter < len(kinds_of_letters) else TEMPLATE
        found.append(VECTOR if first_vector is not None and token >= first_vector else kind)
    return found


def _n_letters(text: str) -> int:
    return len("".join(text.split()))
