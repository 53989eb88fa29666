"""Loads any causal language model by id or folder, adapters included, and says clearly why it cannot."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from scorerec.core.artifacts import fingerprint
from scorerec.core.errors import ConfigError, ModelError
from scorerec.core.storage import contents
from scorerec.llm.config import SMOLLM2, TOY, Precision, toy_name
from scorerec.llm.pretrained import LABEL, smollm2_facts, smollm2_folder
from scorerec.llm.quiet import quiet_transformers
from scorerec.nn.batching import Padded
from scorerec.nn.checkpoints import UNREADABLE
from scorerec.nn.processes import ALONE, Processes, join_processes

TOY_MARK = "scorerec_toy"  # an entry of config.json
TUNING = "tuning.json"  # written by ``tune``: the backbone and the settings behind a folder
_ADVICE = (
    "Give a local folder, or a Hugging Face id that this machine can reach (log in for a gated model; without a "
    "network, fetch it elsewhere with `hf download` and give the folder)"
)
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
        base: the model that an adapter on it belongs to: an id, a folder, or ``embedded:smollm2``, wherever that lies.
        model: a transformers model, or a peft model around one.
        tokenizer: its tokenizer.
        device: where it computes.
        processes: who computes with it, each with a whole model of its own.
    """

    name: str
    base: str
    model: Any
    tokenizer: Any
    device: torch.device
    processes: Processes = ALONE

    @property
    def is_toy(self) -> bool:
        """Whether this is the small LM that a run trains itself."""
        return bool(getattr(self.model.config, TOY_MARK, False))

    @property
    def positions(self) -> int | None:
        """Tokens that the model reads at most, by its configuration; None where that does not say."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    def describe(self) -> str:
        """Return one line for reports."""
        if self.is_toy:
            return toy_name(self.model.num_parameters())
        return str(getattr(self.model.config, LABEL, self.name))

    def last_logits(self, batch: Padded) -> Tensor:
        """Return the logits of the token that follows each sequence, (B, V); only those are computed.

        Args:
            batch: token ids padded on the left, (B, T).
        """
        tokens = torch.from_numpy(batch.tokens).to(self.device)  # (B, T)
        accepted = _forward_arguments(self.model)
        given: dict[str, Any] = {"input_ids": tokens, "use_cache": False}
        if "logits_to_keep" in accepted:  # by place: a slice of states would have the output layer copied for each row
            given["logits_to_keep"] = torch.tensor([tokens.shape[1] - 1], device=self.device)
        if not batch.mask.all():  # without padding no mask is needed, and attention is faster
            mask = torch.from_numpy(batch.mask).to(self.device, torch.int64)
            given["attention_mask"] = mask
            if "position_ids" in accepted:
                given["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)
        return self.model(**given).logits[:, -1]


def load_backbone(name: str | Path, precision: Precision = "checkpoint", device: str = "auto") -> Backbone:
    """Load a causal LM.

    Args:
        name: a Hugging Face id; ``embedded:smollm2``; a folder with a model; a folder with an adapter, which is loaded
            on its base; or a folder in which ``tune`` noted that a backbone is used as it is.
        precision: of the weights; "checkpoint" keeps the file's own.
        device: auto, cpu, cuda, cuda:1, ...

    Raises:
        ModelError: the model is not there, or is no causal LM.
        ConfigError: there is no such device, or the backbone was not resolved to a model.
    """
    if str(name) == TOY:
        raise ConfigError(
            "backbone 'toy': wanted the folder that scorerec.llm.toy.pretrain wrote, came the word itself"
        )
    processes, chosen = join_processes(device)
    base, adapter = _places(name)
    with _read_from(base) as place:
        tokenizer = AutoTokenizer.from_pretrained(place)
        model = AutoModelForCausalLM.from_pretrained(place, dtype=_DTYPES[precision])
    if adapter is not None:
        with _told_clearly(str(adapter)):
            settings = PeftConfig.from_pretrained(str(adapter))
            settings.base_model_name_or_path = place  # peft looks into it when it saves
            model = PeftModel.from_pretrained(model, str(adapter), config=settings)
    return Backbone(str(name), base, model.to(chosen).eval(), tokenizer, chosen, processes)


def load_tokenizer(name: str | Path) -> Any:
    """Load the tokenizer of a causal LM alone; see ``load_backbone``.

    Raises:
        ModelError: it is not there.
    """
    with _read_from(_places(name)[0]) as place:
        return AutoTokenizer.from_pretrained(place)


def weights_facts(name: str | Path) -> dict[str, Any]:
    """Return what tells the weights of a model that is not tuned here from others of its name, for manifests and keys.

    Of ``embedded:smollm2`` that is its checksum and type, of a folder the checksum of its files; of an id of the hub
    nothing is known without loading it.
    """
    if str(name) == SMOLLM2:
        return smollm2_facts(smollm2_folder())
    folder = Path(name)
    return {"files": fingerprint(contents(folder))} if folder.is_dir() else {}


def _places(name: str | Path) -> tuple[str, Path | None]:
    """Return the base model and, where ``name`` is one, the adapter."""
    folder = Path(name)
    if (folder / "adapter_config.json").is_file():
        with _told_clearly(str(name)):
            return str(PeftConfig.from_pretrained(str(folder)).base_model_name_or_path), folder
    if (folder / TUNING).is_file() and not (folder / "config.json").is_file():
        return _places(json.loads((folder / TUNING).read_text(encoding="utf-8"))["backbone"])
    # Absolute, because an adapter remembers the place of its base.
    return str(folder.resolve()) if folder.is_dir() else str(name), None


@contextmanager
def _read_from(base: str) -> Iterator[str]:
    """Yield where the files of a base model lie, or the id of the hub; what cannot be read is told clearly."""
    place = str(smollm2_folder()) if base == SMOLLM2 else base
    anew = f"Where its files are damaged, delete {place}: it is made anew"
    with _told_clearly(base, anew if base == SMOLLM2 else _ADVICE):
        yield place


def _forward_arguments(model: Any) -> frozenset[str]:
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    return frozenset(inspect.signature(inner.forward).parameters)


@contextmanager
def _told_clearly(name: str, advice: str = _ADVICE) -> Iterator[None]:
    """Load quietly, and turn the libraries' errors into one that says what to do."""
    try:
        with quiet_transformers():
            yield
    except (*UNREADABLE, ImportError, RuntimeError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelError(f"{name!r}: cannot be loaded as a causal language model ({reason}). {advice}") from error
