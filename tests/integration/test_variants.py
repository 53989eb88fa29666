"""Ablations and controls on the synthetic world: all run, and each does to the evidence what it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorerec.core.tables import BEHAVIOURS, CONTEXTS, PROMPTS, QUERIES, TARGETS
from scorerec.data.synthetic import SyntheticWorld
from scorerec.evaluate.informativeness import evidence_informativeness
from scorerec.experiment import methods, settings
from scorerec.experiment.methods import METHODS
from scorerec.experiment.plan import ALL_STAGES, ASKED_AFAR, reads_text, stages_of
from scorerec.pipeline.forms.registry import PAPER_FORM
from scorerec.pipeline.prompting import ranked

twin_of = SyntheticWorld().twin_of
# A distant LM has a test of its own.
METHODS_HERE = {key for key, method in METHODS.items() if method.stage not in ASKED_AFAR}


@pytest.fixture(scope="module")
def variants(outcome: Any, experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a run of all methods that need no server on a copy of the first run, whose artifacts it uses."""
    root = tmp_path_factory.mktemp("variants") / "runs"
    shutil.copytree(outcome.root, root)
    keys = ", ".join(f'"{key}"' for key in sorted(METHODS_HERE))
    return experiment.run(root, f"methods=[{keys}]", "name=variants", "evaluation.health_rows=30")


def test_only_what_is_new_is_run(variants: Any, outcome: Any) -> None:
    assert not set(variants.ran) & set(outcome.artifacts) - {"report"}
    results = json.loads((variants.artifacts["report"].path / "results.json").read_text(encoding="utf-8"))
    assert {method.key for method in variants.config.chosen_methods} == METHODS_HERE
    assert [method["method"] for method in results["comparison"]["methods"]] == list(results["labels"])
    assert results["labels"] == {method.key: method.label for method in variants.config.chosen_methods}


OF_FORMS = {"teacher", "verdicts-random", "knowledge", "expectation", "shared", "consensus"}
OF_FORMS |= {f"{name}-shuffled" for name in ("verdicts", "knowledge", "expectation", "shared")}
# One line of a registry declares for all baselines: what each of them uses of it differs.
OF_BASELINES = {"data.ties", *settings.HISTORY, *settings.BUDGET, "llm", methods.OF_BASIC, "seed"}


def test_what_a_stage_reads_is_what_it_declares(outcome: Any, variants: Any, experiment: Any, tmp_path: Path) -> None:
    """Another setting or artifact raises wherever it is read; here it is seen that none is declared for nothing."""
    others = ("finding.crm_share=0.2", "evidence.item_sets=0.3", 'evidence.beside=["mf"]', "crm.epochs=3")
    methods_of = 'methods=["item-mean", "item+user-mean", "score", "score-at"]'
    ways = [experiment.run(tmp_path, *others, methods_of, to=stage) for stage in ("signal", "prompts-score-at")]
    # Those of other forms run in tests of their own.
    shown = {stage.name for stage in stages_of(variants.config)}
    for stage in (stage.showing((PAPER_FORM,)) for stage in ALL_STAGES if stage.name not in ASKED_AFAR):
        if stage.name not in shown:
            assert stage.name in OF_FORMS
            continue
        found = [run.read[stage.name] for run in (outcome, variants, *ways) if stage.name in run.read]
        assert found, stage.name
        of_one = isinstance(stage.work, str) and not stage.work.startswith("baselines:")
        declared = {path for path in stage.readable if of_one or path not in OF_BASELINES}
        assert declared <= set().union(*(one.settings for one in found)), stage.name
        assert not of_one or set(stage.reads) == set().union(*(one.stages for one in found)), stage.name


def auc_alone(run: Any, stage: str) -> float:
    corpus, contexts = run.artifacts["corpus"], run.artifacts[stage].table(CONTEXTS)
    entries = evidence_informativeness(corpus.table(TARGETS), contexts, corpus.table(BEHAVIOURS), stage)
    (auc,) = (
        entry.auc for entry in entries if entry.split == "test" and entry.feature == "how many contain the target"
    )
    assert auc is not None
    return auc


def test_the_crm_and_car_find_the_twin_and_strangers_say_nothing(variants: Any) -> None:
    auc = {key: auc_alone(variants, f"contexts-{key}") for key in ("cf", "rerank", "random", "shuffled", "oracle")}
    assert min(auc["cf"], auc["rerank"]) > 0.6
    assert abs(auc["random"] - 0.5) < 0.1
    assert abs(auc["shuffled"] - 0.5) < 0.1
    assert auc["oracle"] >= max(auc["cf"], auc["rerank"])


def test_the_crms_nearest_user_is_the_twin(variants: Any) -> None:
    corpus = variants.artifacts["corpus"]
    owners = {row["query_id"]: row["user_id"] for row in corpus.table(QUERIES).to_pylist()}
    chosen = ranked(variants.artifacts["contexts-cf"].table(CONTEXTS), "target_id")
    users = {row["target_id"]: owners[row["query_id"]] for row in corpus.table(TARGETS).to_pylist()}
    hits = [twin_of(users[target]) in names for target, names in chosen.items()]
    assert np.mean(hits) > 3 * 2 / 59


def test_it_is_measured_whether_lms_read(variants: Any) -> None:
    results = json.loads((variants.artifacts["report"].path / "results.json").read_text(encoding="utf-8"))
    health = {one["method"]: one for one in results["health"]}
    assert health.keys() == {key for key in METHODS_HERE if reads_text(METHODS[key].stage)}
    assert health["llm"]["moves"]["evidence"] is None  # it is shown none
    assert health["llm"]["moves"]["history"]["mean_change"] > 0
    assert health["score"]["moves"]["evidence"]["mean_change"] > 0
    assert health["score"]["moves"]["evidence"]["n_rows"] == 30
    assert health["empty"]["moves"]["evidence"]["mean_change"] < health["score"]["moves"]["evidence"]["mean_change"]
    page = (variants.artifacts["report"].path / "report.html").read_text(encoding="utf-8")
    assert "Do the language models read?" in page
    assert "evidence names the target" in {one["slice"] for one in results["comparison"]["slices"]}


def test_empty_evidence_differs_from_score_in_the_titles_of_others_alone(variants: Any) -> None:
    full = variants.artifacts["prompts-score"].table(PROMPTS).slice(0, 50).to_pylist()
    empty = variants.artifacts["prompts-empty"].table(PROMPTS).slice(0, 50).to_pylist()
    word = variants.config.prompt.words.singular
    for one, other in zip(full, empty, strict=True):
        for before, after in zip(one["segments"], other["segments"], strict=True):
            assert after == ({**before, "text": word} if before["kind"] == "evidence" else before)
