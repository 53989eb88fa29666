"""Prompts become token ids whole, within the budget, and in the form the tokenizer asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from transformers import AutoTokenizer

from scorerec.core.errors import ConfigError
from scorerec.llm.encode import PromptEncoder, read_prompts
from scorerec.text.budget import Budget
from scorerec.text.segments import Segment, render

Write = Callable[..., list[Segment]]


@pytest.fixture
def tokenizer(tiny_lm: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_lm)


def test_a_prompt_is_one_text_behind_the_tokenizers_own_opening(tokenizer: Any, write: Write) -> None:
    prompt = write(["1", "2"], "3")
    (ids,) = PromptEncoder(tokenizer, Budget()).encode([prompt]).tokens
    assert ids.tolist() == tokenizer(render(prompt))["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids[1:]) == render(prompt)


def test_a_chat_template_is_used_and_no_second_opening_is_added(tokenizer: Any, write: Write) -> None:
    tokenizer.chat_template = "{{ bos_token }}User: {{ messages[0]['content'] }}\nAssistant:"
    prompt = write(["1"], "3")
    encoder = PromptEncoder(tokenizer, Budget())
    (ids,) = encoder.encode([prompt]).tokens
    assert encoder.has_template
    assert ids.tolist().count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(ids[1:]) == f"User: {render(prompt)}\nAssistant:"


def test_a_chat_template_can_be_left_alone(tokenizer: Any, write: Write) -> None:
    plain = PromptEncoder(tokenizer, Budget()).encode([write(["1"], "3")]).tokens[0].tolist()
    tokenizer.chat_template = "{{ bos_token }}User: {{ messages[0]['content'] }}\nAssistant:"
    encoder = PromptEncoder(tokenizer, Budget(), chat_template=False)
    assert not encoder.has_template
    assert encoder.encode([write(["1"], "3")]).tokens[0].tolist() == plain


def test_counted_budgets_are_kept(tokenizer: Any, write: Write) -> None:
    prompt = write(["1", "2", "3"], "4", ("5", "6"))
    encoded = PromptEncoder(tokenizer, Budget(history_titles=1, evidence_titles=1)).encode([prompt, prompt])
    assert tokenizer.decode(encoded.tokens[0][1:]) == render(write(["3"], "4", ("6",)))
    assert (encoded.dropped_history, encoded.dropped_evidence) == (4, 2)


@pytest.mark.parametrize("template", [None, "Q: {{ messages[0]['content'] }} A:"])
def test_the_token_budget_counts_everything_and_keeps_the_question(
    tokenizer: Any, write: Write, template: str | None
) -> None:
    tokenizer.chat_template = template
    prompt, short = write([str(n) for n in range(10)], "11"), write([], "11")
    whole = PromptEncoder(tokenizer, Budget()).encode([prompt, short])
    limit = int(whole.lengths.mean())
    encoded = PromptEncoder(tokenizer, Budget(tokens=limit)).encode([prompt, short])
    assert encoded.lengths[0] <= limit < whole.lengths[0]
    assert encoded.tokens[1].tolist() == whole.tokens[1].tolist()
    text = tokenizer.decode(encoded.tokens[0], skip_special_tokens=True)
    assert "'Good Film 11 (1991)'. Respond with either 'Yes' or 'No'." in text
    assert 0 < encoded.dropped_history < 10


def test_a_budget_below_wording_and_target_is_an_error(tokenizer: Any, write: Write) -> None:
    with pytest.raises(ConfigError, match="too small"):
        PromptEncoder(tokenizer, Budget(tokens=5)).encode([write(["1"], "2")])


def test_the_toy_tokenizer_has_an_answer_without_a_space(tokenizer: Any) -> None:
    answers = PromptEncoder(tokenizer, Budget()).answers
    assert tokenizer.convert_ids_to_tokens([answers.yes, answers.no]) == ["Yes", "No"]
    assert answers.is_whole


def test_segments_survive_the_table(write: Write, table_of: Callable[..., pa.Table]) -> None:
    rows = [write(["1", "2"], "3", ("4",)), write([], "3"), write(["5"], "6")]
    table = table_of(rows)
    assert read_prompts(table) == rows
    assert read_prompts(table.slice(1, 1)) == rows[1:2]
    assert read_prompts(pa.concat_tables([table, table])) == rows + rows
    assert read_prompts(table.slice(0, 0)) == []
