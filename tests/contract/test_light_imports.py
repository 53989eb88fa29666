"""What only reads settings waits for no library that computes: torch alone takes seconds to import."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys

import pytest

import scorerec
from scorerec.baselines.registry import BASELINES
from scorerec.crm.registry import MODULES

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


@pytest.mark.parametrize("name", MODULES)
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


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return a folder with two small tables, a configuration of them, and predictions."""
    folder = tmp_path_factory.mktemp("shop")
    rows = [f"u{n % 7},i{n % 11},{1 + n % 5},{1_000_000_000 + 90_000 * n}" for n in range(70)]
    (folder / "ratings.csv").write_text("user_id,item_id,rating,timestamp\n" + "\n".join(rows), encoding="utf-8")
    items = [f"i{n},Item {n}" for n in range(11)]
    (folder / "items.csv").write_text("item_id,title\n" + "\n".join(items), encoding="utf-8")
    (folder / "mine.toml").write_text(
        f"""preset = "quickstart"
[data]
path = "{folder}"
repeats = "last"
source = {{ name = "tabular", ratings = "ratings.csv", items = "items.csv" }}
""",
        encoding="utf-8",
    )
    (folder / "scores.csv").write_text("user_id,label,score\na,1,0.9\na,0,0.2\nb,1,0.4\nb,0,0.5\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["no-such-command"],
        ["run", "no-such-preset"],
        ["status", "mine.toml"],
        ["prepare", "mine.toml"],
        ["evaluate", "--predictions", "scores.csv"],
        ["scores", "nowhere", "--out", "scores.parquet"],
        ["recommend", "nowhere", "--user", "nobody"],
        ["compare", "nowhere", "nowhere"],
    ],
    ids=" ".join,
)
def test_a_command_that_computes_little_takes_little(shop, command):
    """Under 1.5 s of processor time, whatever the machine is busy with; nothing that computes is imported."""
    script = f"""
import resource, sys
from scorerec.cli import main
sys.argv = ["scorerec", *{command!r}]
try:
    main()
except SystemExit:
    pass
used = resource.getrusage(resource.RUSAGE_SELF)
print("took", used.ru_utime + used.ru_stime)
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        [sys.executable, "-c", f"{script}\nprint('has', *sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=shop,
        env=environment,
    ).stdout.splitlines()
    (modules,) = (line for line in told if line.startswith("has "))
    assert not set(modules.split()) & set(HEAVY)
    (seconds,) = (float(line.split()[1]) for line in told if line.startswith("took "))
    assert seconds < 2.5  # 1.5 on a machine that is not full; a slow one shall not fail for that
