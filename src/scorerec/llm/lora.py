"""LoRA adapters: attached with the paper's settings, saved, and checked to be what was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file

from scorerec.core.errors import ModelError
from scorerec.llm.config import LoRAConfig
from scorerec.llm.lower import layers_of
from scorerec.llm.quiet import quiet_transformers


def attach_lora(model: Any, config: LoRAConfig) -> PeftModel:
    """Return ``model`` with a fresh adapter; only the adapter can be trained.

    Raises:
        ModelError: the model has none of the layers, or fewer blocks than are to get an adapter.
    """
    blocks = None
    if config.last_layers is not None:
        count = len(layers_of(model))
        if config.last_layers > count:
            raise ModelError(f"lora.last_layers: this model has {count} blocks, got {config.last_layers}; lower it")
        blocks = list(range(count - config.last_layers, count))
    settings = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=list(config.modules),
        layers_to_transform=blocks,
    )
    try:
        with quiet_transformers():
            return get_peft_model(model, settings)
    except ValueError as error:
        raise ModelError(
            f"no adapter can be attached: {error}. Set lora.modules to names of layers of this model"
        ) from error


def save_adapter(model: PeftModel, folder: Path, base: str) -> None:
    """Save the adapter, and read it back: an empty or different one would go unnoticed until it is scored.

    Args:
        model: with the adapter.
        folder: of the result.
        base: what the adapter says that it belongs to, as ``load_backbone`` finds it on any machine.

    Raises:
        ModelError: the file does not hold what was trained.
    """
    trained = get_peft_model_state_dict(model)
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # a form to fill in, which names the base by where it lies
    note = folder / "adapter_config.json"
    settings = json.loads(note.read_text(encoding="utf-8")) | {"base_model_name_or_path": base}
    settings["target_modules"] = sorted(settings["target_modules"])  # a set: the same adapter is to be the same file
    note.write_text(json.dumps(settings, indent=2, sort_keys=True), encoding="utf-8")
    saved = load_file(folder / "adapter_model.safetensors")
    if not any(bool(value.any()) for name, value in trained.items() if "lora_B" in name):
        raise ModelError(f"{folder}: the adapter is empty, for training changed nothing; raise the learning rate")
    if saved.keys() != trained.keys() or not all(
        torch.equal(saved[name], value.detach().cpu()) for name, value in trained.items()
    ):
        raise ModelError(f"{folder}: the saved adapter differs from the trained one; check the disk and tune again")
