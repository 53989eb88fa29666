"""What only reads settings waits for no library that computes: torch alone takes seconds to import."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import scorerec
from scorerec.baselines.registry import BASELINES
from scorerec.crm.registry import MODELS

HEAVY = (
    "accelerate",
    "datasets",
    "matplotlib",
    "openai",
    "peft",
    "sentence_transformers",
    "sklearn",
    "stable_baselines3",
    "tokenizers",
    "torch",
    "transformers",
)


def loaded(script: str) -> set[str]:
    """Return what a new interpreter has imported after ``script``."""
    told = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(told.stdout.split())


def config_modules() -> list[str]:
    return [
        module.name
        for module in pkgutil.walk_packages(scorerec.__path__, "scorerec.")
        if module.name.rpartition(".")[2] in ("config", "registry")
    ]


def test_every_room_with_settings_is_tried():
    rooms = {name.split(".")[1] for name in config_modules()}
    assert {"baselines", "core", "crm", "experiment", "llm", "nn", "pipeline", "rerank", "retrieve"} <= rooms


def test_settings_and_registries_import_nothing_that_computes():
    found = loaded("\n".join(f"import {name}" for name in config_modules()))
    assert {"scorerec.experiment.config", "scorerec.crm.registry", "scorerec.baselines.registry"} <= found
    assert not found & set(HEAVY)


@pytest.mark.parametrize("name", MODELS)
def test_a_configuration_is_checked_without_its_network(name):
    """Recipes, settings and labels of each CRM, and its place among the methods."""
    script = f"""
from scorerec.experiment.config import load_experiment
config = load_experiment("quickstart", ["crm.model={name}", "crm.recipe=library"])
assert config.crm.recipe == "library" and config.chosen_methods
print(config.crm.label, config.crm.settings)
"""
    assert not loaded(script) & set(HEAVY)


def test_what_stands_in_for_a_baseline_is_told_without_its_network():
    script = """
from scorerec.baselines.registry import BASELINES
print(*(kind.stand_ins(kind.settings()) for kind in BASELINES.values()))
"""
    assert BASELINES
    assert not loaded(script) & set(HEAVY)
