"""Prompts as token ids: each fitted to the budget, in the model's own chat form where it has one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.columns import SEGMENTS
from scorerec.core.errors import ModelError
from scorerec.llm.answers import Answers, resolve_answers
from scorerec.text.budget import Budget, Fitted, TokenCounter, fit
from scorerec.text.segments import Segment, render

TokenIds = npt.NDArray[np.int32]
_CHUNK = 4096  # texts that are tokenized in one call
_TODAY = "26 Jul 2024"  # Llama 3.1's own default; templates that ask the clock would read differently every day
_EXAMPLE = "Based on this information, would the user enjoy it? Respond with either 'Yes' or 'No'."


class Encoded(NamedTuple):
    """Prompts that a model reads.

    Attributes:
        tokens: token ids of each prompt, special tokens and chat template included.
        dropped_history: titles of the users' own that the budget took out, over all prompts.
        dropped_evidence: evidence titles that the budget took out, over all prompts.
    """

    tokens: list[TokenIds]
    dropped_history: int
    dropped_evidence: int

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each prompt, (N,) int64."""
        return np.array([len(row) for row in self.tokens], np.int64)


class PromptEncoder:
    """Turns prompts into token ids for one tokenizer and one budget.

    The chat template is used where the tokenizer has one; otherwise a prompt is plain text behind the tokenizer's own
    opening token, where it has one.

    Args:
        tokenizer: of the backbone.
        budget: titles and users that are shown; ``tokens`` counts everything, template included.
        chat_template: False leaves the template of the tokenizer alone.
        positions: tokens that the model reads at most; None: no limit is known.
    """

    def __init__(self, tokenizer: Any, budget: Budget, chat_template: bool = True, positions: int | None = None):
        self.tokenizer = tokenizer
        self.budget = budget
        self.positions = positions
        self.has_template = chat_template and bool(getattr(tokenizer, "chat_template", None))
        self._opening = [] if self.has_template else _opening_tokens(tokenizer)

    @cached_property
    def answers(self) -> Answers:
        """The answer tokens behind a prompt in the form that the model reads."""
        context = self._dressed(_EXAMPLE)
        return resolve_answers(
            lambda text: self._tokenize([text])[0],
            context,
            spaced_first=not self.has_template,
            unknown=getattr(self.tokenizer, "unk_token_id", None),
        )

    def encode(self, prompts: Sequence[Sequence[Segment]]) -> Encoded:
        """Encode prompts; the oldest titles of those that are too long go, target and question stay whole.

        Raises:
            ConfigError: wording and target alone are longer than the budget.
            ModelError: a prompt within the budget is longer than the model reads.
        """
        fitted, rows = self._fit(prompts)
        encoded = Encoded(
            rows,
            sum(row.dropped_history for row in fitted),
            sum(row.dropped_evidence for row in fitted),
        )
        self._require_room(encoded)
        return encoded

    def as_read(self, prompts: Sequence[Sequence[Segment]]) -> list[list[Segment]]:
        """Return the segments that are left of each prompt: what ``encode`` turns into tokens.

        Raises:
            ConfigError: wording and target alone are longer than the budget.
        """
        return [row.segments for row in self._fit(prompts)[0]]

    def _fit(self, prompts: Sequence[Sequence[Segment]]) -> tuple[list[Fitted], list[TokenIds]]:
        counted = self.budget.model_copy(update={"tokens": None})
        # The whole text is counted below, for all prompts in one call.
        fitted = [fit(segments, counted, lambda _: 0) for segments in prompts]
        rows = self._encode_texts([render(row.segments) for row in fitted])
        limit = self.budget.tokens
        for place, row in enumerate(rows):
            if limit is not None and len(row) > limit:
                fitted[place] = fit(prompts[place], self._text_budget(limit), self._counter)
                rows[place] = self._encode_texts([render(fitted[place].segments)])[0]
        return fitted, rows

    def _require_room(self, encoded: Encoded) -> None:
        """Refuse what a model would stumble over, or, worse, read without a word where it learned no positions."""
        longest = int(encoded.lengths.max(initial=0))
        if self.positions is not None and longest > self.positions:
            limit = "not set" if self.budget.tokens is None else self.budget.tokens
            raise ModelError(
                f"llm.max_tokens is {limit}, the longest prompt has {longest} tokens, and this model has "
                f"{self.positions} positions; set llm.max_tokens={self.positions} or less, and the oldest titles go"
            )

    @cached_property
    def _counter(self) -> TokenCounter:
        return TokenCounter(lambda text: len(self._tokenize([text])[0]))

    def _text_budget(self, limit: int) -> Budget:
        around = len(self._encode_texts([""])[0])
        return self.budget.model_copy(update={"tokens": max(1, limit - around)})

    def _encode_texts(self, texts: Sequence[str]) -> list[TokenIds]:
        rows: list[TokenIds] = []
        for start in range(0, len(texts), _CHUNK):
            dressed = [self._dressed(text) for text in texts[start : start + _CHUNK]]
            rows.extend(np.array([*self._opening, *row], np.int32) for row in self._tokenize(dressed))
        return rows

    def _dressed(self, text: str) -> str:
        if not self.has_template:
            return text
        turn = [{"role": "user", "content": text}]
        return self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, date_string=_TODAY)

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(
            texts, add_special_tokens=False, return_attention_mask=False, truncation=False, verbose=False
        )["input_ids"]


def read_prompts(prompts: pa.Table) -> list[list[Segment]]:
    """Return the segments of each row of PROMPTS.

    Column by column, and each distinct text once: a Python object per value would need ten times the memory.
    """
    lists = prompts[SEGMENTS].combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], lists.type)
    structs = lists.flatten()
    segments = list(map(Segment._make, zip(*(_values(structs.field(name)) for name in Segment._fields), strict=True)))
    ends = np.cumsum([0, *lists.value_lengths().to_pylist()])
    return [segments[start:end] for start, end in pairwise(ends)]


def _values(column: pa.Array) -> list[Any]:
    encoded = column.dictionary_encode()
    distinct = [*encoded.dictionary.to_pylist(), None]  # index -1 is an empty value
    return [distinct[index] for index in encoded.indices.fill_null(-1).to_pylist()]


def _opening_tokens(tokenizer: Any) -> list[int]:
    """Return the token that the tokenizer itself puts in front of a text, if it does."""
    ids = tokenizer("Yes")["input_ids"]
    is_added = bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id
    return [tokenizer.bos_token_id] if is_added else []
