"""A method may be tuned in steps of its own length: nothing but its LM, and what starts from it, is another then."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from scorerec.core.artifacts import Draft
from scorerec.core.errors import ConfigError
from scorerec.experiment.config import load_experiment
from scorerec.experiment.plan import stages_of
from scorerec.experiment.runner import Runner
from scorerec.experiment.stages import language_model
from scorerec.llm.config import LLMConfig, LoRAConfig, RateConfig


def test_a_rate_is_of_one_method_and_of_what_starts_from_its_lm() -> None:
    def identities(*changes: str) -> dict[str, Any]:
        methods = 'methods=["item-mean", "item+user-mean", "score", "llm", "titles", "collm", "llara"]'
        config = load_experiment("ml-1m", ['data={source="synthetic"}', methods, "rates={}", *changes])
        return Runner(stages_of(config), config, Path()).identities

    before, after = identities(), identities("rates.llm={learning_rate=1e-4, plus_ratio=4}")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"{part}-{key}" for part in ("tuned", "scores") for key in ("llm", "collm")} | {
        "health-llm",
        "report",
    }
    assert after["tuned-llm"]["config"]["rates.llm"] == {"learning_rate": 1e-4, "plus_ratio": 4.0}


def test_a_rate_stands_in_place_of_the_others() -> None:
    llm = LLMConfig(learning_rate=1e-3, lora=LoRAConfig(rank=3, plus_ratio=16))
    assert llm.at(None) is llm
    assert llm.at(RateConfig(learning_rate=2e-3)) == LLMConfig(learning_rate=2e-3, lora=LoRAConfig(rank=3))
    with pytest.raises(ConfigError, match=r"rates.collm: no such setting; known here: base, .*, titles"):
        load_experiment("ml-1m", ["rates.collm.learning_rate=1e-4"])


def test_the_lm_of_a_method_is_tuned_at_its_rate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[LLMConfig] = []
    monkeypatch.setattr(language_model, "load_backbone", lambda *_: None)
    monkeypatch.setattr(language_model, "tune", lambda *given: seen.append(given[3]) or {})
    changes = ["llm.learning_rate=1e-3", "llm.lora.plus_ratio=16", "rates={llm={learning_rate=2e-3, plus_ratio=4}}"]
    run = SimpleNamespace(
        config=load_experiment("ml-1m", changes),
        backbone="some",
        targets=lambda *_: pa.table({}),
        table=lambda *_: pa.table({}),
    )
    for method in ("llm", "score"):
        language_model.tuned(cast(Any, run), Draft(tmp_path), f"prompts-{method}", method, {})
    assert [(llm.learning_rate, llm.lora.plus_ratio) for llm in seen] == [(2e-3, 4), (1e-3, 16)]
