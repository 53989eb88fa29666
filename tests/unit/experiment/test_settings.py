"""A stage sees the settings that it declared, and what decides its result is what it sees."""

from __future__ import annotations

from typing import Any

import pytest

from scorerec.baselines.registry import BASELINES
from scorerec.experiment.config import ExperimentConfig, load_experiment
from scorerec.experiment.plan import ALL_STAGES
from scorerec.experiment.settings import BUDGET, UndeclaredError, View, identity_of, without

CONFIG = ExperimentConfig.model_validate(
    {"data": {"source": "synthetic"}, "llm": {"evidence_augmentation": True, "history_titles": 7}}
)


def view(*paths: str) -> Any:
    return View(CONFIG, paths, "stage x", set())


def test_a_section_in_part_shows_its_part() -> None:
    seen = view("prompt.domain", "car")
    assert seen.car is CONFIG.car
    assert seen.prompt.domain == "movie"
    with pytest.raises(UndeclaredError, match=r"stage x reads the setting prompt\.history_titles"):
        _ = seen.prompt.history_titles
    with pytest.raises(UndeclaredError, match="the setting sare"):
        _ = seen.sare


def test_a_property_is_computed_from_what_may_be_read() -> None:
    assert view("prompt.domain").prompt.words == CONFIG.prompt.words
    assert view(*BUDGET).llm.budget == CONFIG.llm.budget
    with pytest.raises(UndeclaredError, match=r"llm\.evidence_users"):
        _ = view(*BUDGET[:-1]).llm.budget


def test_a_setting_that_is_held_back_is_at_its_default_and_decides_nothing() -> None:
    path = without("llm", "evidence_augmentation")
    assert view(path).llm.evidence_augmentation is False
    assert view(path).llm.history_titles == 7
    other = CONFIG.model_copy(update={"llm": CONFIG.llm.model_copy(update={"evidence_augmentation": False})})
    assert identity_of(CONFIG, [path]) == identity_of(other, [path])
    assert identity_of(CONFIG, ["llm"]) != identity_of(other, ["llm"])


def test_a_view_says_what_was_read() -> None:
    read: set[str] = set()
    seen: Any = View(CONFIG, ("car", "prompt.domain", "sare"), "stage x", read)
    _ = seen.car.epochs, seen.prompt.domain
    assert read == {"car", "prompt.domain"}


def test_prices_decide_no_assessment_and_everything_decides_a_report() -> None:
    dearer = CONFIG.model_copy(update={"assess": CONFIG.assess.model_copy(update={"price_in": 3.0})})
    assert identity_of(CONFIG, ["assess"]) == identity_of(dearer, ["assess"])
    assert identity_of(CONFIG, ["*"]) != identity_of(dearer, ["*"])


def test_of_other_recommenders_the_recipe_decides() -> None:
    beside = CONFIG.model_copy(update={"evidence": CONFIG.evidence.model_copy(update={"beside": ("lightgcn",)})})
    (found,) = identity_of(beside, ["evidence.beside"])["evidence.beside"]
    assert found["model"] == "lightgcn"
    assert found["learning_rate"] > 0


def test_the_same_files_in_another_folder_are_the_same_data(tmp_path: Any) -> None:
    found = []
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "ratings.dat").write_text(text, encoding="utf-8")
        (folder / "movies.dat").write_text("x", encoding="utf-8")
        data = {"source": "movielens-1m", "path": str(folder)}
        found.append(identity_of(ExperimentConfig.model_validate({"data": data}), ["data"]))
    assert found[0] == found[1] != found[2]


NEW = [
    ("prompt.history_step", "2"),
    ("llm.history_step", "1"),
    ("corpus.history", "visit"),
    ("corpus.visit_pause", "60"),
]


@pytest.mark.parametrize(("path", "value"), NEW)
def test_a_setting_that_means_what_was_so_before_it_decides_nothing(path: str, value: str) -> None:
    section, _, name = path.partition(".")
    before = load_experiment("ml-1m-toy")
    assert identity_of(before, (path,)) == {}
    assert name not in identity_of(before, (section,))[section]
    after = load_experiment("ml-1m-toy", [f"{path}={value}"])
    assert (identity_of(after, (path,)) == {}) == (path == "llm.history_step")


def test_a_section_that_is_as_before_it_was_there_is_written_nowhere() -> None:
    assert {"verdicts", "forms"} & set(str(load_experiment("ml-1m-toy").model_dump()).split("'")) == set()
    changed = load_experiment("ml-1m-toy", ["verdicts.n_similar=3", 'evidence.forms=["verdicts"]']).model_dump(
        mode="json"
    )
    assert changed["verdicts"]["n_similar"] == 3
    assert changed["evidence"]["forms"] == ["verdicts"]


def test_what_learns_by_labels_has_no_teacher_whatever_the_others_have() -> None:
    config = load_experiment("quickstart-toy", ["llm.teacher=0.5"])
    by_labels = {f"tuned-{key}" for key, kind in BASELINES.items() if kind.trains != "nothing"} | {"tuned-oracle"}
    trained = [stage for stage in ALL_STAGES if stage.name.startswith("tuned-") and "encoder" not in stage.name]
    seen = {stage.name: View(config, stage.settings, stage.name, set()).llm.teacher for stage in trained}
    assert {name for name, teacher in seen.items() if teacher == 0} == by_labels & seen.keys()
    assert {"tuned-llm", "tuned-score", "tuned-titles", "tuned-random"} <= {name for name in seen if seen[name] == 0.5}


def test_what_baselines_hold_back_is_called_as_ever() -> None:
    """The name of a section in part is part of an identity: another one makes hours of kept results anew."""
    paths = {path for stage in ALL_STAGES for path in stage.settings if path.startswith("llm!")}
    of_evidence = "evidence_augmentation!named_share"
    assert paths == {f"llm!{of_evidence}", "llm!teacher", f"llm!teacher!{of_evidence}"}
