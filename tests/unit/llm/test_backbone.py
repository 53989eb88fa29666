"""Any causal LM by id or folder; what cannot be loaded says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, GPT2Config, GPT2LMHeadModel

from scorerec.core.errors import ConfigError, ModelError
from scorerec.llm import backbone
from scorerec.llm.backbone import Backbone, load_backbone
from scorerec.nn.batching import pad


def test_a_model_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded as a causal language model"):
        load_backbone(tmp_path / "nothing", device="cpu")
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(tmp_path / "gone")})
    )
    with pytest.raises(ModelError, match="gone"):
        load_backbone(tmp_path, device="cpu")


def test_damaged_weights_are_an_error(tiny_lm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_lm, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(b"\xff" * 4 + weights.read_bytes()[4:])
    with pytest.raises(ModelError, match=r"damaged': cannot be loaded .* Give a local folder"):
        load_backbone(folder, device="cpu")


def test_of_the_embedded_model_damage_is_told_with_what_to_delete(
    tiny_lm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "smollm2"
    shutil.copytree(tiny_lm, folder)
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    monkeypatch.setattr(backbone, "smollm2_folder", lambda: folder)
    with pytest.raises(ModelError, match=rf"'embedded:smollm2': .* damaged, delete {folder}: "):
        load_backbone("embedded:smollm2", device="cpu")


def test_precision_is_the_files_own_unless_asked_for(tiny_lm: Path) -> None:
    assert load_backbone(tiny_lm, device="cpu").model.dtype == torch.float32
    assert load_backbone(tiny_lm, "bf16", device="cpu").model.dtype == torch.bfloat16


def test_an_unknown_device_is_an_error(tiny_lm: Path) -> None:
    with pytest.raises(ConfigError, match="device"):
        load_backbone(tiny_lm, device="abacus")


def test_only_the_last_logits_are_computed_and_they_are_exact(tiny_lm: Path) -> None:
    loaded = load_backbone(tiny_lm, device="cpu")
    rows = [[1, 5, 9, 7], [1, 8]]
    with torch.no_grad():
        found = loaded.last_logits(pad(rows, side="left"))
        for logits, row in zip(found, rows, strict=True):
            torch.testing.assert_close(logits, loaded.model(torch.tensor([row])).logits[0, -1])
    assert found.shape == (2, loaded.model.config.vocab_size)


def test_the_output_layer_gets_states_that_it_multiplies_as_one_matrix(tiny_lm: Path) -> None:
    """Of a slice with gaps torch makes a batched product, and copies the vocabulary's weights for each row."""
    loaded = load_backbone(tiny_lm, device="cpu")
    seen: list[torch.Tensor] = []
    loaded.model.get_output_embeddings().register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        loaded.last_logits(pad([[1, 5, 9, 7], [1, 8, 3, 2]], side="left"))
    assert seen[0].shape[:2] == (2, 1)
    assert seen[0].is_contiguous()


def test_positions_are_those_of_the_configuration_whatever_it_calls_them() -> None:
    tiny = {"vocab_size": 10, "n_layer": 1, "n_head": 1}
    known = GPT2LMHeadModel(GPT2Config(n_positions=32, n_embd=4, **tiny))
    unknown = BloomForCausalLM(BloomConfig(hidden_size=4, **tiny))  # counts distances
    found = [Backbone("tiny", "tiny", model, None, torch.device("cpu")).positions for model in (known, unknown)]
    assert found == [32, None]
