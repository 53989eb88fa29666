"""The estimate of the paper's preset, from configurations of its models alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig, MPNetConfig, XLMRobertaConfig

from scorerec.core.errors import ModelError
from scorerec.experiment.config import load_experiment
from scorerec.experiment.estimate import estimate_run, total_line, work_line
from scorerec.experiment.plan import stages_of
from scorerec.experiment.runner import Runner
from scorerec.nn.effort import Shape, Work

WORLD = (
    'data.source={name="synthetic", n_users=20, n_items=100}',
    'data.split={by="months", train=[0, 9], valid=[10, 10], test=[11, 11]}',
    "evidence.text_embedder=embedded:minilm",
)


def runner(folder: Path, *changes: str) -> Runner:
    config = load_experiment("ml-1m-paper", [*WORLD, *changes])
    return Runner(stages_of(config), config, folder / "runs")


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    """Return settings that name folders with a config.json and nothing else."""
    size: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    kinds = {
        "llm.backbone": LlamaConfig(vocab_size=500, intermediate_size=64, **size),
        "car.model": MPNetConfig(vocab_size=500, intermediate_size=64, **size),
        "sare.model": XLMRobertaConfig(vocab_size=500, intermediate_size=64, **size),
    }
    for key, config in kinds.items():
        config.save_pretrained(tmp_path / key)
    return [f"{key}={tmp_path / key}" for key in kinds]


def test_every_stage_with_a_transformer_is_estimated(tmp_path: Path, models: list[str]) -> None:
    found = {part.stage: part for part in estimate_run(runner(tmp_path, *models), None, lambda _: None)}
    heavy = {"car", "candidates", "rankings", "sare", "contexts"}
    assert set(found) == heavy | {"tuned-llm", "scores-llm", "tuned-score", "scores-score", "title-audit"}
    works = {name: part.work for name, part in found.items()}
    n_targets = works["contexts"].rows_read / 10  # K_e pairs of each target
    assert n_targets > works["scores-score"].rows_read > 0
    assert works["tuned-score"].tokens > works["tuned-llm"].tokens
    assert "parameters" in found["car"].line


def test_texts_for_a_toy_lm_are_estimated_and_for_another_they_are_not_made(tmp_path: Path, models: list[str]) -> None:
    own = runner(tmp_path, *models)
    assert "candidates-base" not in own.stages
    assert own.stages["backbone"].reads == ()
    toy = runner(tmp_path, *models, "llm.backbone=toy", "llm.tune=full")
    found = {part.stage for part in estimate_run(toy, None, lambda _: None)}
    assert {"candidates-base", "backbone", "tuned-score"} <= found


def test_the_llm_of_a_package_is_estimated_before_it_is_fetched(
    tmp_path: Path, models: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = runner(tmp_path, *models, "llm.backbone=embedded:smollm2", "llm.tune=lora", "assess.assessor=local")
    found = {part.stage: part.work for part in estimate_run(own, None, lambda _: None)}
    assert found["tuned-score"].shape.parameters == found["assessments"].shape.parameters == 134_515_008
    assert not (tmp_path / "cache").exists()


def test_where_rows_share_what_they_begin_with_an_estimate_is_a_bound(tmp_path: Path, models: list[str]) -> None:
    for share, words in (("true", "tokens: at most about "), ("false", "tokens: about ")):
        changed = runner(tmp_path, *models, f"llm.share_prefixes={share}")
        found = {part.stage: part for part in estimate_run(changed, None, lambda _: None)}
        assert all(words in found[name].line for name in ("tuned-score", "scores-score"))
        assert "tokens: about " in found["car"].line
        together = total_line(list(found.values()), list(found))
        assert together.startswith(f"{len(found)} stages: {words.removeprefix('tokens: ')}")


def estimated(folder: Path, *changes: str) -> dict[str, Work]:
    own = runner(folder, "llm.max_tokens=9999", *changes)
    return {part.stage: part.work for part in estimate_run(own, None, lambda _: None) if part.work is not None}


@pytest.mark.parametrize("forms", [("verdicts",), ("titles",), ("titles", "verdicts")], ids=" ".join)
def test_a_prompt_is_as_long_as_what_its_row_shows(tmp_path: Path, models: list[str], forms: tuple[str, ...]) -> None:
    methods = 'methods=["item-mean", "item+user-mean", "llm", "titles", "score", "empty", "coral"]'
    found = estimated(tmp_path, *models, methods, f"evidence.forms={json.dumps(forms)}")
    beyond = {name: work.tokens - found["scores-llm"].tokens for name, work in found.items()}
    titles = beyond["scores-coral"]  # of similar users that it looks for itself, whatever others show
    assert titles > 100
    wanted = {"titles": titles, "score": titles * ("titles" in forms) + 25 * ("verdicts" in forms), "empty": 0}
    for key, tokens in wanted.items():
        assert beyond[f"tuned-{key}"] == beyond[f"scores-{key}"] == pytest.approx(tokens), key


def test_a_question_in_few_words_and_without_a_template_is_short(tmp_path: Path, models: list[str]) -> None:
    long, short, bare = (
        estimated(tmp_path, *models, *changes)["tuned-llm"].tokens
        for changes in ((), ("prompt.question=short",), ("prompt.question=short", "llm.chat_template=false"))
    )
    assert (long - short, short - bare) == pytest.approx((16, 30))


def test_adapters_in_the_last_layers_learn_half_of_a_model_of_two(tmp_path: Path, models: list[str]) -> None:
    whole, top = (estimated(tmp_path, *models, *last)["tuned-llm"] for last in ((), ("llm.lora.last_layers=1",)))
    assert (top.trained, top.learning_share) == (whole.trained / 2, 0.5)
    assert top.flops < whole.flops
    assert whole.learning_share == 1


def test_a_policy_has_no_estimate_but_its_scores_have(tmp_path: Path, models: list[str]) -> None:
    methods = 'methods=["item-mean", "item+user-mean", "score", "coral"]'
    found = {part.stage for part in estimate_run(runner(tmp_path, *models, methods), None, lambda _: None)}
    assert "scores-coral" in found
    assert "tuned-coral" not in found


def test_only_what_is_still_to_come_is_estimated(tmp_path: Path, models: list[str]) -> None:
    assert [part.stage for part in estimate_run(runner(tmp_path, *models), "candidates", lambda _: None)] == [
        "car",
        "candidates",
    ]
    assert estimate_run(runner(tmp_path, *models), "corpus", lambda _: None) == []


def test_a_model_that_is_not_there_is_noticed_before_anything_is_trained(tmp_path: Path, models: list[str]) -> None:
    missing = [*models, f"llm.backbone={tmp_path / 'nowhere'}"]
    with pytest.raises(ModelError, match=r"nowhere.*its size cannot be told"):
        estimate_run(runner(tmp_path, *missing), None, lambda _: None)


def test_more_memory_than_there_is_is_said() -> None:
    shape = Shape(8_030_261_248, 7_000_000_000, 32, 4096, 14336, 128_256)
    line = work_line(Work(shape, 600, 0, 33_891, 8, 0, 2), 7200, "a card", 12 * 2**30)
    assert line.startswith("8 billion parameters, 33,891 rows of about 600 tokens: about 2.0 h and ")
    assert line.endswith(" GiB on a card, which has 12.0 GiB: lower the batch size or max_tokens")


def test_a_stage_without_a_transformer_is_estimated_by_its_last_time(tmp_path: Path, models: list[str]) -> None:
    first = runner(tmp_path, *models)
    assert "crm" not in {part.stage for part in estimate_run(first, "crm", lambda _: None)}
    first.run("references", record=False)
    with first.store.write("crm", {"config": "of another run", "inputs": {}}) as draft:
        draft.facts["seconds_before"] = 120.0
    (found,) = [part for part in estimate_run(first, "crm", lambda _: None) if part.stage == "crm"]
    assert found.line == "about 2 min, as the last time, with other settings"
    assert total_line([found], ["crm", "car"]) == "2 stages: about 2 min together; nothing is known yet of car"
