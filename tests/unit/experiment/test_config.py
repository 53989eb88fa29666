"""Presets are whole, files state only how they differ, and every fault is named."""

import pytest

from scorerec.core.errors import ConfigError
from scorerec.experiment.config import load_experiment, presets
from scorerec.experiment.plan import stages_of
from scorerec.experiment.stand_ins import stand_ins


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_valid(name):
    assert load_experiment(name).name == name


@pytest.mark.parametrize("name", ["ml-1m", "games"])
def test_the_papers_models_and_the_embedded_ones_get_the_same_data(name):
    embedded, paper = load_experiment(name), load_experiment(f"{name}-paper")
    assert embedded.data == paper.data
    assert embedded.expected == paper.expected == name


def test_games_are_played_and_named_so_by_every_preset():
    assert {load_experiment(name).prompt.domain for name in ("games", "games-paper")} == {"game"}


def test_games_paper_names_the_papers_models():
    config = load_experiment("games-paper")
    models = (config.car.model, config.sare.model, config.llm.backbone, config.assess.chat.model)
    assert models == (
        "microsoft/mpnet-base",
        "BAAI/bge-reranker-large",
        "meta-llama/Llama-3.1-8B-Instruct",
        "glm-4-plus",
    )
    assert (config.llm.tune, config.assess.assessor) == ("lora", "openai")


def test_the_presets_of_the_toy_say_so():
    for name in ("ml-1m-toy", "quickstart-toy"):
        assert load_experiment(name).llm.backbone == "toy"


def test_what_stands_in_says_what_it_is():
    llm = load_experiment("ml-1m-toy", ["llm.backbone=embedded:smollm2", "llm.tune=lora", "assess.assessor=local"])
    name = "SmolLM2-135M-Instruct (4-bit weights, dequantised)"
    assert stand_ins(llm)[:2] == [f"LLM {name}: stands in for Llama-3.1-8B-Instruct", f"assessor {name}: a small LLM"]
    toy = "toy LM (0.6 million weights that this run trained itself; no pretrained LLM)"
    assert stand_ins(load_experiment("ml-1m-toy"))[0] == toy


def test_who_learns_from_what_helped_asks_nobody_and_pays_nobody():
    def assessed(*changes):
        config = load_experiment("ml-1m-paper", changes)
        stages = [*stages_of(config)]
        assert stages[-1].name == "report"
        asked = any(line.startswith("assessor") or "assessor:" in line for line in stand_ins(config))
        return "assessments" in {stage.name for stage in stages}, "assessments" in stages[-1].reads, asked

    metadata = "assess.assessor=metadata"
    assert assessed(metadata) == (True, True, True)
    assert assessed(metadata, "sare.teacher=gain") == (False, False, False)


@pytest.mark.parametrize("name", ["embedded", "embedded:smollm3"])
def test_a_backbone_that_no_package_brings_is_refused(name):
    with pytest.raises(ConfigError, match=f"wanted embedded:smollm2, a pretrained LLM, or toy, .* got '{name}'"):
        load_experiment("ml-1m-toy", [f"llm.backbone={name}"])


def test_overrides_reach_into_sections():
    assert load_experiment("ml-1m-toy", ["evidence.n_candidates=20", "seed=3"]).evidence.n_candidates == 20


def test_a_file_starts_from_a_preset(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('preset = "ml-1m-toy"\n[evidence]\nn_context_users = 3\n', encoding="utf-8")
    config = load_experiment(str(path))
    assert (config.name, config.evidence.n_context_users) == ("mine", 3)
    assert config.car.model == load_experiment("ml-1m-toy").car.model


@pytest.mark.parametrize(
    ("preset", "message"),
    [('"here.toml"', "here.toml -> here.toml starts from itself"), ("3", "wanted a name .*got 3")],
)
def test_a_preset_is_the_name_of_another_one(tmp_path, monkeypatch, preset, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.toml").write_text(f"preset = {preset}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_experiment("here.toml")


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ConfigError, match="ml-1m"):
        load_experiment("ml-2m")


def test_an_unknown_key_is_named():
    with pytest.raises(ConfigError, match=r"evidence\.n_candidate: no such setting; known here: .*n_candidates"):
        load_experiment("ml-1m-toy", ["evidence.n_candidate=3"])


@pytest.mark.parametrize("section", ["car", "sare", "llm", "baselines.encoder"])
def test_the_device_is_set_once(tmp_path, section):
    (tmp_path / "own.toml").write_text(f'preset = "ml-1m-toy"\n[{section}]\ndevice = "cuda:1"\n', encoding="utf-8")
    message = rf"own\.toml: {section}\.device: no such setting; device is set once, at the top, and not in a section"
    with pytest.raises(ConfigError, match=message):
        load_experiment(str(tmp_path / "own.toml"))
    assert load_experiment("ml-1m-toy", ["device=cuda:1"]).device == "cuda:1"


def test_seeds_have_folders_of_their_own():
    assert load_experiment("ml-1m").folder_name == "ml-1m"
    assert load_experiment("ml-1m", ["seed=2"]).folder_name == "ml-1m-seed2"


def test_settings_that_contradict_each_other_name_the_file_and_every_override():
    with pytest.raises(ConfigError) as caught:
        load_experiment("ml-1m-toy", ["evidence.user_vectors=a.parquet", "seed=1"])
    assert str(caught.value).startswith(
        "ml-1m-toy with --set 'evidence.user_vectors=a.parquet', --set 'seed=1': settings: Value error, evidence."
    )


def test_a_setting_without_its_section_is_answered_with_the_section():
    with pytest.raises(
        ConfigError, match=r"--set 'n_candidates=3': n_candidates: no such .*did you mean evidence\.n_candidates or "
    ):
        load_experiment("ml-1m-toy", ["n_candidates=3"])


def test_windows_of_prompts_and_of_the_lm_start_together():
    assert load_experiment("ml-1m-toy", ["llm.history_step=4", "prompt.history_step=8"]).llm.budget.history_step == 4
    with pytest.raises(ConfigError, match=r"prompt.history_step=1 is no multiple of it; set prompt.history_step=4"):
        load_experiment("ml-1m-toy", ["llm.history_step=4"])


def test_forms_of_evidence_bring_their_controls():
    def keys(*changes):
        return [method.key for method in load_experiment("ml-1m-toy", changes).chosen_methods]

    assert "counts" not in keys()
    assert "counts" in keys('evidence.forms=["verdicts"]')
    assert load_experiment("ml-1m-toy", ['evidence.forms=["verdicts","titles"]']).evidence.forms == (
        "titles",
        "verdicts",
    )


@pytest.mark.parametrize(
    ("form", "methods", "message"),
    [
        ("rumours", "", "no rumours; there are titles, consensus, shared"),
        ("verdicts", ',"cf"', r"cf is SCORE with other titles, and evidence.forms has none of them \(verdicts\)"),
        ("verdicts", ',"score-at"', "score-at is SCORE with other titles"),
    ],
)
def test_forms_that_are_not_there_or_not_shown_are_refused(form, methods, message):
    chosen = f'methods=["item-mean","item+user-mean","score"{methods}]'
    with pytest.raises(ConfigError, match=message):
        load_experiment("ml-1m-toy", [f'evidence.forms=["{form}"]', chosen])
