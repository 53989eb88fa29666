"""What a contributor adds is one file, and one line that names it: everything else follows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorerec.core.tables import SCORES
from scorerec.crm.registry import MODULES
from scorerec.experiment.plan import stages_of
from scorerec.experiment.runner import Runner

RECOMMENDER = '''
"""MF under another name: settings, one recipe and the network in one file."""

from scorerec.crm.mf import MF
from scorerec.crm.recipes.factors import FactorSettings
from scorerec.crm.recipes.kind import Kind

KIND = Kind(
    name="ours",
    label="Ours",
    settings=FactorSettings,
    network="ours:Ours",
    recipes={"ranking": {"epochs": 2, "settings": {"dimension": 8, "objective": "bce"}}},
)


class Ours(MF):
    """Nothing of its own."""

    kind = KIND
'''

BASELINE = '''
"""P^b twice over: a baseline that only writes other prompts."""

from scorerec.baselines.base import Baseline
from scorerec.core.config import Config


class OurSettings(Config):
    """What it has of its own."""

    times: int = 2


class Ours(Baseline):
    """P^b twice."""

    key = "ours"
    label = "Ours"
    settings = OurSettings

    def prompts(self):
        """Return them."""
        return self.inputs.write(lambda _, basic: list(basic) * self.config.times), {}
'''

EVERYWHERE = """
from scorerec.baselines import registry
from ours import Ours

registry.BASELINES["ours"] = Ours  # the line

from scorerec.experiment.config import load_experiment
from scorerec.experiment.methods import METHODS
from scorerec.experiment.plan import stages_of
from scorerec.reproduce.plan import TABLE_2

chosen = 'methods=["item-mean", "item+user-mean", "score", "ours"]'
config = load_experiment("ml-1m-toy", [chosen, "baselines.ours.times=3"])
assert config.baselines.ours.times == 3
assert METHODS["ours"].label == "Ours"
names = [stage.name for stage in stages_of(config)]
assert {"prompts-ours", "tuned-ours", "scores-ours"} < set(names), names
assert "ours" in {row.key for row in TABLE_2}
"""


def test_a_recommender(experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ours.py").write_text(RECOMMENDER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(MODULES, "ours", "ours")
    methods = 'methods=["item-mean", "item+user-mean", "crm", "score"]'
    config = experiment.config("crm={model='ours'}", methods)
    assert config.crm.label == "Ours"
    assert config.crm.epochs == 2
    assert {method.key: method.label for method in config.chosen_methods}["crm"] == "Ours"
    made = Runner(stages_of(config), config, tmp_path / "runs").made("crm-scores")
    assert made.crm().kind.label == "Ours"
    scores = made.table("crm-scores", SCORES)["p_yes"].to_numpy()
    assert np.unique(scores).size > 1


def test_a_baseline(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(BASELINE, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", EVERYWHERE], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
