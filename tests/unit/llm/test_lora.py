"""The paper's adapter, and what cannot be saved or attached."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorerec.core.errors import ModelError
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LoRAConfig
from scorerec.llm.lora import attach_lora, save_adapter


def test_the_papers_adapter_is_the_default() -> None:
    lora = LoRAConfig()
    assert (lora.rank, lora.alpha, lora.dropout) == (8, 32, 0.1)
    assert set(lora.modules) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_an_empty_adapter_and_unknown_layers_are_errors(tiny_lm: Path, tmp_path: Path) -> None:
    untrained = attach_lora(load_backbone(tiny_lm, device="cpu").model, LoRAConfig())
    with pytest.raises(ModelError, match="the adapter is empty"):
        save_adapter(untrained, tmp_path, str(tiny_lm))
    with pytest.raises(ModelError, match="no adapter can be attached"):
        attach_lora(load_backbone(tiny_lm, device="cpu").model, LoRAConfig(modules=("c_attn",)))


def test_the_last_layers_alone_get_an_adapter(tiny_lm: Path) -> None:
    model = attach_lora(load_backbone(tiny_lm, device="cpu").model, LoRAConfig(last_layers=1))
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert len(trained) == 2 * 7
    assert all(".layers.1." in name for name in trained)
