"""Loads any causal language model by id or folder, adapters included, and says clearly why it cannot."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftConfig, PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from scorerec.core.errors import ModelError
from scorerec.nn.batching import Padded
from scorerec.nn.devices import choose_device

EMBEDDED_MARK = "scorerec_embedded"  # an entry of config.json
POINTER = "untuned.json"  # in a folder that stands for a backbone as it is
Precision = Literal["checkpoint", "fp32", "bf16", "fp16"]
_DTYPES: dict[str, str | torch.dtype] = {
    "checkpoint": "auto",
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


@dataclass(frozen=True)
class Backbone:
    """A causal language model, ready to score.

    Attributes:
        name: the id or folder that it was loaded from.
        model: a transformers model, or a peft model around one.
        tokenizer: its tokenizer.
        device: where it computes.
    """

    name: str
    model: Any
    tokenizer: Any
    device: torch.device

    @property
    def is_embedded(self) -> bool:
        """Whether this is the small LM that a run trains itself."""
        return bool(getattr(self.model.config, EMBEDDED_MARK, False))

    def describe(self) -> str:
        """Return one line for reports."""
        if self.is_embedded:
            return "embedded LM (a stand-in, not a pretrained LLM)"
        return self.name

    def last_logits(self, batch: Padded) -> Tensor:
        """Return the logits of the token that follows each sequence, (B, V); only those are computed.

        Args:
            batch: token ids padded on the left, (B, T).
        """
        tokens = torch.from_numpy(batch.tokens).to(self.device)  # (B, T)
        accepted = _forward_arguments(self.model)
        given: dict[str, Any] = {"input_ids": tokens, "use_cache": False}
        if "logits_to_keep" in accepted:
            given["logits_to_keep"] = 1
        if not batch.mask.all():  # without padding no mask is needed, and attention is faster
            mask = torch.from_numpy(batch.mask).to(self.device, torch.int64)
            given["attention_mask"] = mask
            if "position_ids" in accepted:
                given["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)
        return self.model(**given).logits[:, -1]


def load_backbone(name: str | Path, precision: Precision = "checkpoint", device: str = "auto") -> Backbone:
    """Load a causal LM.

    Args:
        name: a Hugging Face id; a folder with a model; a folder with an adapter, which is loaded on its base; or
            a folder that ``tune`` left for a backbone that is used as it is.
        precision: of the weights; "checkpoint" keeps the file's own.
        device: auto, cpu, cuda, cuda:1, ...

    Raises:
        ModelError: the model is not there, or is no causal LM.
        ConfigError: there is no such device.
    """
    folder = Path(name)
    if (folder / POINTER).is_file():
        return load_backbone(json.loads((folder / POINTER).read_text(encoding="utf-8"))["backbone"], precision, device)
    chosen = choose_device(device)
    is_adapter = (folder / "adapter_config.json").is_file()
    with _told_clearly(str(name)):
        base = str(PeftConfig.from_pretrained(str(folder)).base_model_name_or_path) if is_adapter else str(name)
    with _told_clearly(base):
        tokenizer = AutoTokenizer.from_pretrained(base)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=_DTYPES[precision])
    if is_adapter:
        with _told_clearly(str(name)):
            model = PeftModel.from_pretrained(model, str(folder))
    return Backbone(str(name), model.to(chosen).eval(), tokenizer, chosen)


def _forward_arguments(model: Any) -> frozenset[str]:
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    return frozenset(inspect.signature(inner.forward).parameters)


@contextmanager
def _told_clearly(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(
            f"{name!r}: cannot be loaded as a causal language model ({reason}). Give a local folder, or a Hugging "
            "Face id that this machine can reach (log in for a gated model; without a network, fetch it elsewhere "
            "with `hf download` and give the folder)"
        ) from error
