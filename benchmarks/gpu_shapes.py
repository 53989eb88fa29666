"""Memory and speed of tuning and scoring at the size of the paper's models, with random weights.

The LLM reads rows that share nothing, and rows of which a step has three quarters in common: whole, and as trees.

python benchmarks/gpu_shapes.py                 # Llama-3.1-8B and bge-reranker-large: a GPU with 48 GiB
python benchmarks/gpu_shapes.py --shape tiny    # the same steps in seconds, on any machine
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from tokenizers import processors
from transformers import LlamaConfig, LlamaForCausalLM, XLMRobertaConfig, XLMRobertaForSequenceClassification

from scorerec.llm.backbone import Backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import PromptEncoder
from scorerec.llm.fit import Trainer
from scorerec.llm.rows import LabelledPrompts
from scorerec.llm.score import Scorer
from scorerec.llm.trees import pack_rows
from scorerec.llm.tune import ready
from scorerec.llm.vocabulary import BOS, train_tokenizer
from scorerec.nn.contrastive import Example
from scorerec.nn.devices import choose_device
from scorerec.nn.effort import Work, shape_of
from scorerec.rerank.config import SAREConfig
from scorerec.rerank.models import load_reranker
from scorerec.text.segments import Segment

WORDS = [f"{first}{last}" for first in "bdfgklmnprst" for last in ("an", "el", "ir", "om", "us")]


@dataclass(frozen=True)
class Shapes:
    """Sizes of the two models, and rows and tokens of a measurement."""

    llama: dict[str, int]
    roberta: dict[str, int]
    tokens: int
    pair_tokens: int
    batch: int
    n_steps: int


PAPER = Shapes(
    llama={
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
    roberta={
        "vocab_size": 250002,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "max_position_embeddings": 514,
    },
    tokens=1024,
    pair_tokens=512,
    batch=8,
    n_steps=8,
)
TINY = Shapes(
    llama={
        "vocab_size": 2000,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    roberta={
        "vocab_size": 2000,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 514,
    },
    tokens=64,
    pair_tokens=64,
    batch=4,
    n_steps=2,
)


def main() -> None:
    """Measure both models and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=("paper", "tiny"), default="paper")
    arguments = parser.parse_args()
    shapes = PAPER if arguments.shape == "paper" else TINY
    device = choose_device("auto")
    rate = matrix_rate(device, shapes.llama["hidden_size"])
    rows = [*language_model(shapes, device), *reranker(shapes, device)]
    table = Table("step", "rows/s", "tokens/s", "peak memory, GiB", "estimated, GiB", "TFLOP/s", "of its matrix rate")
    for row in rows:
        done = row["work"].flops / row["seconds"]
        table.add_row(
            row["step"],
            f"{row['rows'] / row['seconds']:.1f}",
            f"{row['rows'] * row['work'].tokens / row['seconds']:,.0f}",
            f"{row['gibibytes']:.1f}" if device.type == "cuda" else "-",
            f"{row['work'].bytes / 2**30:.1f}",
            f"{done / 1e12:.3g}",
            f"{done / rate:.0%}",
        )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    console = Console()
    console.print(f"{name}; {rate / 1e12:.3g} TFLOP/s in a bf16 matrix product; torch {torch.__version__}")
    console.print(table)


def language_model(shapes: Shapes, device: torch.device) -> list[dict[str, Any]]:
    """Tune with LoRA on all seven projections, bf16, gradient checkpointing; score; rows that share nothing or much."""
    tokenizer = train_tokenizer([*(text(200, n) for n in range(50)), "Yes No"] * 2, 600, "words")
    settings = LlamaConfig(**shapes.llama)
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = LlamaForCausalLM(settings)
    torch.set_default_dtype(default)
    config = LLMConfig(
        tune="lora",
        precision="bf16",
        gradient_checkpointing=True,
        max_tokens=shapes.tokens,
        epochs=1,
        batch_size=shapes.batch,
        score_batch_size=4 * shapes.batch,
        pack_branches=shapes.batch,
        pack_tokens=4 * shapes.tokens,
    )
    backbone = ready(Backbone("random weights", "random weights", model, tokenizer, device), config)
    n_rows = shapes.batch * shapes.n_steps
    own = [exact_text(shapes.tokens, n, tokenizer) for n in range(n_rows)]
    quarter = shapes.tokens // 4
    alike = [
        f"{exact_text(3 * quarter, n_rows + n // shapes.batch, tokenizer)} {exact_text(quarter, n, tokenizer)}"
        for n in range(n_rows)
    ]
    found = steps("", own, backbone, config, settings, device)
    for name, share in ((", shared words each time", False), (", shared words once", True)):
        sharing = config.model_copy(update={"share_prefixes": share})
        found += steps(name, alike, backbone, sharing, settings, device)
    return found


def steps(
    name: str, texts: list[str], backbone: Backbone, config: LLMConfig, settings: LlamaConfig, device: torch.device
) -> list[dict[str, Any]]:
    """Measure an epoch of tuning on some texts, and scoring them."""
    prompts = [[Segment("wording", text)] for text in texts]
    rows = LabelledPrompts(prompts, np.arange(len(texts)) % 2)
    trainer = Trainer(backbone, config, rows, LabelledPrompts(prompts[:2], np.arange(2)), seed=0)
    encoded = PromptEncoder(backbone.tokenizer, config.budget).encode(prompts)
    tokens = encoded.tokens
    if config.share_prefixes:
        packs = pack_rows(tokens, config.pack_branches, config.pack_tokens)
        n_tokens = round(sum(len(pack.tokens) for pack in packs) / len(texts))
    else:
        n_tokens = max(map(len, tokens))
    shape = shape_of(settings, is_causal=True)
    trained = sum(weight.numel() for weight in backbone.model.parameters() if weight.requires_grad)
    tuning = Work(shape, n_tokens, 0, len(texts), config.batch_size, trained, value_bytes=2, is_checkpointed=True)
    scoring = Work(shape, n_tokens, len(texts), 0, config.score_batch_size, 0, 2)
    scorer = Scorer(backbone, config)

    def tune() -> None:
        for step in trainer.scorer.reading.steps(tokens, np.random.default_rng(0)):
            trainer._step(encoded, step)

    return [
        measured(f"LLM: tuning{name}", tuning, len(texts), device, tune),
        measured(f"LLM: scoring{name}", scoring, len(texts), device, lambda: scorer.p_yes(tokens)),
    ]


def reranker(shapes: Shapes, device: torch.device) -> list[dict[str, Any]]:
    """Tune a cross-encoder with Eq. 12 (a positive and three negatives), in bf16; then score pairs."""
    tokenizer = train_tokenizer([text(200, n) for n in range(50)], 600, "words")
    opening = (BOS, tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[opening]
    )
    settings = XLMRobertaConfig(**shapes.roberta, type_vocab_size=1, num_labels=1, pad_token_id=tokenizer.pad_token_id)
    config = SAREConfig(epochs=1, batch_size=shapes.batch, max_length=shapes.pair_tokens, precision="bf16")
    n_groups = shapes.batch * shapes.n_steps
    half = exact_text(shapes.pair_tokens // 2, 0, tokenizer)
    texts = {str(n): exact_text(shapes.pair_tokens // 2, n, tokenizer) for n in range(4)}
    examples = [Example(half, ("0",), ("1", "2", "3")) for _ in range(n_groups)]
    with tempfile.TemporaryDirectory(prefix="scorerec-benchmark-") as folder:
        XLMRobertaForSequenceClassification(settings).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        model = load_reranker(Path(folder), config)
        shape = shape_of(settings, is_causal=False)
        n_pairs = 4 * n_groups
        tuning = Work(shape, shapes.pair_tokens, 0, n_pairs, 4 * shapes.batch, shape.parameters, 2)
        scoring = Work(shape, shapes.pair_tokens, n_pairs, 0, 32, 0, 4)
        pairs = [half] * n_pairs, [texts[str(n % 4)] for n in range(n_pairs)]
        return [
            measured("reranker: tuning", tuning, n_pairs, device, lambda: model.tune(examples, texts, seed=0)),
            measured("reranker: scoring", scoring, n_pairs, device, lambda: model.score(*pairs)),
        ]


def text(n_words: int, seed: int) -> str:
    """Return random words."""
    return " ".join(np.random.default_rng(seed).choice(WORDS, n_words))


def exact_text(n_tokens: int, seed: int, tokenizer: Any) -> str:
    """Return random words of at most so many tokens, special ones included, and at least nearly so many."""
    ids = tokenizer(text(n_tokens, seed), add_special_tokens=False)["input_ids"][: n_tokens - 1]
    return str(tokenizer.decode(ids))


def measured(step: str, work: Work, n_rows: int, device: torch.device, act: Callable[[], object]) -> dict[str, Any]:
    """Do something twice; return seconds and peak memory of the second time."""
    act()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    act()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else float("nan")
    return {"step": step, "work": work, "rows": n_rows, "seconds": seconds, "gibibytes": peak}


def matrix_rate(device: torch.device, width: int) -> float:
    """Return operations per second of a large bf16 matrix product, the best of ten."""
    size = 8192 if device.type == "cuda" else max(256, width)
    one = torch.ones(size, size, dtype=torch.bfloat16, device=device)
    best = 0.0
    for _ in range(10):
        start = time.perf_counter()
        float((one @ one)[0, 0])
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


if __name__ == "__main__":
    main()
