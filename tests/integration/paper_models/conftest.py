"""The paper's models in small: their classes, tokenizers and files, with random weights and a few thousand of them.

A user gives a folder or a name from a hub; here it is a folder that holds the same files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MPNetConfig,
    MPNetForMaskedLM,
    MPNetTokenizer,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaTokenizer,
)

from scorerec.llm.encode import read_prompts
from scorerec.pipeline.prompting import PromptConfig, Prompter
from scorerec.text.segments import render

TITLES = [f"{'Good' if n % 2 else 'Poor'} Film of the Year {n} ({1960 + n})" for n in range(24)]
ITEMS = pa.table({"item_id": [str(n) for n in range(24)], "title": TITLES})
CHARACTERS = sorted(set("".join(TITLES).lower()) | set("abcdefghijklmnopqrstuvwxyz0123456789'\"[](),.?:;-"))

# Renders one user turn as the templates of Llama 3.1 (fixed date) and 3.2 (today's date) do.
CHAT_TEMPLATE = (
    "{%- if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "{{- bos_token + '<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n' }}"
    "{{- 'Today Date: ' + date_string + '\n\n<|eot_id|>' }}"
    "{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{- message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
# Llama 3 cuts text in words, numbers of up to three digits, signs and line breaks before it joins bytes.
_LLAMA_PIECES = r"""[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
_LLAMA_SPECIAL = [
    *("<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"),
]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def prompter() -> Prompter:
    return Prompter(ITEMS, PromptConfig(domain="movie"))


@pytest.fixture(scope="session")
def tables() -> tuple[pa.Table, pa.Table]:
    """TARGETS and QUERIES: 64 users, each asked about one film, which is liked where its number is odd."""
    rng = np.random.default_rng(0)
    histories = [rng.permutation(24)[: 1 + n % 12].astype(str).tolist() for n in range(64)]
    items = rng.integers(0, 24, 64)
    names = [f"q{n}" for n in range(64)]
    targets = pa.table(
        {
            "target_id": [f"t{n}" for n in range(64)],
            "query_id": names,
            "item_id": items.astype(str).tolist(),
            "row_id": pa.array(range(64), pa.int64()),
            "label": pa.array((items % 2).tolist(), pa.int8()),
            "split": ["train"] * 40 + ["valid"] * 24,
        }
    )
    return targets, pa.table({"query_id": names, "user_id": [f"u{n}" for n in range(64)], "item_ids": histories})


@pytest.fixture(scope="session")
def behaviours() -> pa.Table:
    """Twelve users of two kinds, each with eight films of its kind."""
    lists = [[str((2 * k + 2 * n + n % 2) % 24) for k in range(8)] for n in range(12)]
    return pa.table({"behaviour_id": [f"b{n}" for n in range(12)], "item_ids": lists})


def _saved(folder: Path, build: Callable[[], torch.nn.Module], tokenizer: PreTrainedTokenizerFast) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        build().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def mpnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As microsoft/mpnet-base: a masked language model without a pooling layer."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "film", "year", *CHARACTERS, *(f"##{c}" for c in CHARACTERS)]
    tokenizer = MPNetTokenizer(vocab={piece: n for n, piece in enumerate([*pieces, "<mask>"])}, model_max_length=512)
    config = MPNetConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=514,
    )
    return _saved(tmp_path_factory.mktemp("mpnet") / "model", lambda: MPNetForMaskedLM(config), tokenizer)


@pytest.fixture(scope="session")
def xlm_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As BAAI/bge-reranker-large: a sequence classifier with one output, over a Unigram tokenizer."""
    words = [f"▁{word}" for word in ("Film", "Year", "the", "of", "user")]
    letters = sorted({*CHARACTERS, *(c.upper() for c in CHARACTERS if c.isalpha())})
    pieces = [*((word, -2.0) for word in words), ("▁", -3.0), *((letter, -4.0) for letter in letters)]
    special = [(piece, 0.0) for piece in ("<s>", "<pad>", "</s>", "<unk>")]
    tokenizer = XLMRobertaTokenizer(vocab=[*special, *pieces, ("<mask>", 0.0)], model_max_length=512)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        num_labels=1,
    )
    folder = tmp_path_factory.mktemp("xlm-roberta") / "model"
    return _saved(folder, lambda: XLMRobertaForSequenceClassification(config), tokenizer)


def _llama_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_LLAMA_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=640, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator([*texts, *(["Yes\nNo\n\n"] * len(texts))], trainer)
    backend.add_special_tokens(_LLAMA_SPECIAL)  # behind the words, as in Llama 3
    opening = ("<|begin_of_text|>", backend.token_to_id("<|begin_of_text|>"))
    backend.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B", special_tokens=[opening]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>", model_max_length=131_072
    )  # and no padding token
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory, prompter: Prompter, tables: tuple[pa.Table, pa.Table]) -> Path:
    """As meta-llama/Llama-3.1-8B-Instruct: bf16 weights, fewer key heads, scaled rotation, an untied output."""
    tokenizer = _llama_tokenizer([render(prompt) for prompt in read_prompts(prompter.basic(*tables))])
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=131_072,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    folder = tmp_path_factory.mktemp("llama") / "model"
    return _saved(folder, lambda: LlamaForCausalLM(config).to(torch.bfloat16), tokenizer)
