"""The toy LM: a small Llama whose tokenizer and weights the run itself trains, where no model hub is at hand.

It is saved as an ordinary Hugging Face folder and used like any other backbone. It knows nothing but the texts
that it was given: it is for tests and for trying things out, and says nothing about what a pretrained LLM would do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from scorerec.core.errors import DataError
from scorerec.core.progress import progress
from scorerec.core.randomness import derived_seed, generator
from scorerec.llm.backbone import TOY_MARK
from scorerec.llm.config import ToyConfig
from scorerec.llm.optimise import Optimiser
from scorerec.llm.quiet import quiet_transformers
from scorerec.llm.vocabulary import train_tokenizer
from scorerec.nn.batching import batches_by_length, pad
from scorerec.nn.devices import choose_device

_STREAM = "embedded-lm"  # its name of once: under another, every weight would be another
_IGNORED = -100  # a label that cross-entropy leaves out


def pretrain(texts: Sequence[str], config: ToyConfig, out: Path, seed: int, device: str = "auto") -> dict[str, Any]:
    """Train tokenizer and LM on texts by next-token prediction, and save both in ``out``.

    Args:
        texts: a mixture that favours no method, from the training period alone.
        config: size and length of training.
        out: the folder of the model.
        seed: decides the initial weights and the order of the texts.
        device: where it computes: auto, cpu, cuda, cuda:1, ...

    Returns:
        Facts for the manifest: parameters, tokens read, mean loss of the first and last tenth of the steps.

    Raises:
        ConfigError: there is no such device.
        DataError: there is no text.
        ModelError: the loss is not a number.
    """
    if not texts:
        raise DataError("the toy LM needs texts to read, and came none; raise the number of texts")
    start = time.perf_counter()
    tokenizer = train_tokenizer(texts, config.vocabulary, config.units)
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, _STREAM))
        special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
        model = LlamaForCausalLM(llama_config(config, len(tokenizer), **special)).to(choose_device(device))
        losses, n_tokens = _read(model, tokenizer, texts, config, seed)
    with quiet_transformers():
        model.save_pretrained(str(out))
        tokenizer.save_pretrained(str(out))
    tenth = max(1, len(losses) // 10)
    return {
        "is_toy": True,
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
        "texts": len(texts),
        "tokens_read": n_tokens,
        "steps": len(losses),
        "first_loss": float(np.mean(losses[:tenth])) if losses else None,
        "last_loss": float(np.mean(losses[-tenth:])) if losses else None,
        "seconds": round(time.perf_counter() - start, 1),
    }


def llama_config(config: ToyConfig, n_tokens: int, **special: int) -> LlamaConfig:
    """Return the library's configuration of the model.

    Args:
        config: sizes of the model.
        n_tokens: of the vocabulary.
        **special: ids of special tokens, by the library's names: ``pad_token_id``.
    """
    settings = LlamaConfig(
        vocab_size=n_tokens,
        hidden_size=config.width,
        intermediate_size=config.inner_width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=config.max_positions,
        tie_word_embeddings=config.is_tied,
        **special,
    )
    setattr(settings, TOY_MARK, True)
    return settings


def _read(
    model: LlamaForCausalLM, tokenizer: Any, texts: Sequence[str], config: ToyConfig, seed: int
) -> tuple[list[float], int]:
    """Train ``model`` in place; return the loss of each step and the number of tokens read."""
    rows = [
        np.array([*ids[: config.max_text_tokens - 1], tokenizer.eos_token_id], np.int64)
        for ids in tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
    ]
    lengths = [len(row) for row in rows]
    plans = [
        batches_by_length(lengths, batch_size=config.batch_size, rng=generator(seed, _STREAM, epoch))
        for epoch in range(config.epochs)
    ]
    steps = [batch for plan in plans for batch in plan]
    optimiser = Optimiser(model, config, len(steps))
    losses = []
    model.train()
    for batch in progress(steps, "pre-training the toy LM", len(steps), unit="step"):
        padded = pad([rows[index] for index in batch])  # on the right: no token looks at what comes later
        tokens = torch.from_numpy(padded.tokens).to(model.device)  # (B, T)
        following = tokens.masked_fill(torch.from_numpy(~padded.mask).to(model.device), _IGNORED)[:, 1:]  # (B, T - 1)
        logits = model(input_ids=tokens[:, :-1], use_cache=False).logits  # (B, T - 1, V)
        loss = cross_entropy(logits.flatten(0, 1), following.flatten(), ignore_index=_IGNORED)
        loss.backward()
        losses.append(optimiser.step(loss.item()))
    return losses, sum(lengths) * config.epochs
