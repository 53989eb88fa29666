"""Tuning learns, selects, saves what it learned, and refuses what it cannot learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from scorerec.core.errors import ConfigError, DataError, ModelError
from scorerec.core.odds import log_odds as odds_of
from scorerec.llm.backbone import load_backbone
from scorerec.llm.calibrate import Calibration, OneNumber
from scorerec.llm.config import LLMConfig, LoRAConfig
from scorerec.llm.fit import Trainer
from scorerec.llm.rows import Draw, labelled_prompts
from scorerec.llm.score import score
from scorerec.llm.tune import tune

World = tuple[pa.Table, pa.Table]
FULL = LLMConfig(tune="full", learning_rate=1e-2, epochs=8, batch_size=8)
# Adapters alone cannot move all of a tiny vocabulary towards two answers, so this one learns the two alone.
LORA = FULL.model_copy(update={"tune": "lora", "loss": "two-logit", "lora": LoRAConfig(dropout=0)})


def auc_on_test(scores: pa.Table, labels: pa.Table) -> float:
    return float(roc_auc_score(labels["label"].to_numpy()[100:], scores["p_yes"].to_numpy()[100:]))


@pytest.mark.parametrize(
    "config",
    [
        FULL,
        LORA,
        FULL.model_copy(
            update={"loss": "two-logit", "learning_rate": 3e-3, "batch_size": 2, "gradient_accumulation": 2}
        ),
        FULL.model_copy(update={"history_augmentation": True, "embedding_dropout": 0.1}),
    ],
)
def test_it_learns_what_the_labels_follow(tiny_lm: Path, world: World, tmp_path: Path, config: LLMConfig) -> None:
    facts = tune(load_backbone(tiny_lm, device="cpu"), *world, config, tmp_path, seed=0)
    assert facts["training_rows"] == 80
    assert facts["validation_auc"] == max(facts["validation_aucs"])
    assert len(facts["validation_aucs"]) == 8
    assert facts["backbone"] == "toy LM (0.0 million weights that this run trained itself; no pretrained LLM)"
    assert facts["answers"].startswith("'Yes' is token")
    assert auc_on_test(score(tmp_path, world[0], config), world[1]) > 0.9


def test_the_same_seed_gives_the_same_scores_and_leaves_the_global_generator_alone(
    tiny_lm: Path, world: World, tmp_path: Path
) -> None:
    config = LORA.model_copy(update={"epochs": 1, "embedding_dropout": 0.2, "history_augmentation": True})
    before = torch.random.get_rng_state()
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        tune(load_backbone(tiny_lm, device="cpu"), *world, config, tmp_path / name, seed)
    assert torch.equal(before, torch.random.get_rng_state())
    a, b, c = (score(tmp_path / name, world[0], config) for name in "abc")
    assert a.equals(b)
    assert not a.equals(c)


def test_an_adapter_is_saved_and_reloads_to_the_same_scores(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    facts = tune(load_backbone(tiny_lm, device="cpu"), *world, LORA.model_copy(update={"epochs": 1}), tmp_path, seed=0)
    adapter = load_file(tmp_path / "adapter_model.safetensors")
    assert len(adapter) == 2 * 7 * 2  # A and B, seven projections, two layers
    assert all(weight.any() for name, weight in adapter.items() if "lora_B" in name)
    assert facts["trained_parameters"] == sum(weight.numel() for weight in adapter.values())
    assert not (tmp_path / "model.safetensors").exists()
    base = score(tiny_lm, world[0], LORA)["p_yes"].to_numpy()
    reloaded = score(tmp_path, world[0], LORA)["p_yes"].to_numpy()
    assert np.abs(base - reloaded).max() > 1e-3
    valid = roc_auc_score(world[1]["label"].to_numpy()[80:100], reloaded[80:100])
    assert round(float(valid), 4) == facts["validation_auc"]


def test_none_uses_the_backbone_as_it_is(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    config = FULL.model_copy(update={"tune": "none"})
    tune(load_backbone(tiny_lm, device="cpu"), *world, config, tmp_path, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["tuning.json"]
    assert score(tmp_path, world[0], config).equals(score(tiny_lm, world[0], config))


def test_selection_patience_and_limits(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    limits = {"max_train_rows": 40, "max_valid_rows": 10, "selections_per_epoch": 5, "patience": 2, "epochs": 50}
    facts = tune(load_backbone(tiny_lm, device="cpu"), *world, FULL.model_copy(update=limits), tmp_path, seed=0)
    assert facts["training_rows"] == 40
    assert len(facts["validation_aucs"]) == facts["best_selection"] + 2
    assert facts["mean_tokens"] > 10


def test_memory_saving_changes_nothing(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    short = LORA.model_copy(update={"epochs": 1})
    saving = short.model_copy(update={"gradient_checkpointing": True})
    results = []
    for name, config in (("a", short), ("b", saving)):
        tune(load_backbone(tiny_lm, device="cpu"), *world, config, tmp_path / name, seed=0)
        results.append(score(tmp_path / name, world[0], config)["p_yes"].to_numpy())
    np.testing.assert_allclose(*results, atol=1e-5)


def test_without_selections_the_last_step_is_kept(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    facts, scores = [], []
    for name, often in (("each", 1), ("none", 0)):
        config = FULL.model_copy(update={"selections_per_epoch": often, "epochs": 3, "max_valid_rows": 4})
        facts.append(tune(load_backbone(tiny_lm, device="cpu"), *world, config, tmp_path / name, seed=0))
        scores.append(score(tmp_path / name, world[0], config)["p_yes"].to_numpy())
    each, last = facts
    assert (len(each["validation_aucs"]), each["best_selection"]) == (3, 1)  # four rows are soon told apart
    assert (last["validation_aucs"], last["rows_seen"]) == (each["validation_aucs"][2:], each["rows_seen"])
    assert last["training_losses"] == each["training_losses"][2:]
    assert np.abs(scores[0] - scores[1]).max() > 1e-2


def test_a_loss_that_is_not_a_number_is_an_error(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    fast = FULL.model_copy(update={"learning_rate": 1e30, "max_gradient_norm": 1e30})
    with pytest.raises(ModelError, match="lower the learning rate"):
        tune(load_backbone(tiny_lm, device="cpu"), *world, fast, tmp_path, seed=0)


def test_what_cannot_be_learned_from_is_refused(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    prompts, labels = world
    ones = labels.set_column(labels.column_names.index("label"), "label", pa.array([1] * 120, pa.int8()))
    with pytest.raises(DataError, match="'train': wanted rows with label 0"):
        tune(load_backbone(tiny_lm, device="cpu"), prompts, ones, FULL, tmp_path, seed=0)
    with pytest.raises(DataError, match="20 of 20 rows have no prompt"):
        tune(load_backbone(tiny_lm, device="cpu"), prompts.slice(0, 80), labels, FULL, tmp_path, seed=0)
    with pytest.raises(ConfigError, match="the word itself"):
        load_backbone("toy")


@pytest.mark.parametrize("share", [False, True], ids=["whole", "trees"])
@pytest.mark.parametrize("part", ["train", "valid"])
def test_a_row_longer_than_the_model_reads_is_refused_before_any_is_learned(
    tiny_lm: Path, world: World, tmp_path: Path, part: str, share: bool
) -> None:
    loaded, (prompts, labels) = load_backbone(tiny_lm, device="cpu"), world
    lengths = score(tiny_lm, prompts, FULL)["n_tokens"].to_numpy()
    splits = np.where(lengths == lengths.max(), part, np.where(np.arange(120) % 2, "train", "valid"))
    given = labels.set_column(labels.column_names.index("split"), "split", pa.array(splits))
    loaded.model.config.max_position_embeddings = int(lengths.max()) - 1
    before = [weight.clone() for weight in loaded.model.parameters()]
    with pytest.raises(ModelError, match=rf"longest prompt has {lengths.max()} tokens"):
        tune(loaded, prompts, given, FULL.model_copy(update={"share_prefixes": share}), tmp_path, seed=0)
    assert all(map(torch.equal, before, loaded.model.parameters()))


@pytest.mark.parametrize(
    "changes",
    [
        {"history_augmentation": True},
        {"tune": "lora", "loss": "two-logit", "lora": LoRAConfig(dropout=0, plus_ratio=2.0), "learning_rate": 5e-3},
    ],
    ids=["full", "lora+"],
)
def test_it_learns_from_packs(tiny_lm: Path, world: World, tmp_path: Path, changes: dict[str, object]) -> None:
    config = FULL.model_copy(update={"share_prefixes": True, **changes})
    facts = tune(load_backbone(tiny_lm, device="cpu"), *world, config, tmp_path, seed=0)
    assert facts["shared_prefixes"] == "yes"
    assert facts["rows_seen"] == 8 * 80
    assert auc_on_test(score(tmp_path, world[0], config), world[1]) > 0.9


def test_a_step_of_packs_is_the_step_of_their_rows(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    """One step of all rows: the same gradient, however they are read."""
    config = LORA.model_copy(update={"epochs": 2, "batch_size": 80})
    results = []
    for name, shares in (("whole", False), ("packs", True)):
        own = config.model_copy(update={"share_prefixes": shares})
        facts = tune(load_backbone(tiny_lm, device="cpu"), *world, own, tmp_path / name, seed=0)
        assert ("shared_prefixes" in facts) == shares
        results.append(score(tmp_path / name, world[0], own)["p_yes"].to_numpy())
    assert np.ptp(results[0]) > 1e-3
    np.testing.assert_allclose(*results, atol=1e-5)


def test_a_model_that_takes_no_packs_is_tuned_whole_and_says_so(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    loaded = load_backbone(tiny_lm, device="cpu")
    loaded.model.set_attn_implementation("eager")
    config = FULL.model_copy(update={"share_prefixes": True, "epochs": 1})
    facts = tune(loaded, *world, config, tmp_path / "eager", seed=0)
    assert facts["shared_prefixes"] == "no, because its attention is computed by 'eager', and trees need 'sdpa'"
    plain = config.model_copy(update={"share_prefixes": False})
    other = load_backbone(tiny_lm, device="cpu")
    other.model.set_attn_implementation("eager")
    assert facts["training_losses"] == tune(other, *world, plain, tmp_path / "plain", seed=0)["training_losses"]


def test_settings_of_before_are_written_as_before() -> None:
    new = {"share_prefixes", "pack_branches", "pack_tokens", "kept_gib"}
    assert new & LLMConfig().model_dump().keys() == set()
    assert {"last_layers", "plus_ratio"} & LoRAConfig().model_dump().keys() == set()
    asked = LLMConfig(share_prefixes=True, lora=LoRAConfig(last_layers=10, plus_ratio=8.0))
    assert LLMConfig.model_validate(asked.model_dump()) == asked
    assert LLMConfig(kept_gib=9).decisive == LLMConfig().decisive != asked.decisive


def taught(labels: pa.Table, p_yes: np.ndarray) -> pa.Table:
    return labels.append_column("p_yes", pa.array(p_yes, pa.float64()))


@pytest.mark.parametrize("loss", ["two-logit", "vocabulary"])
def test_a_teacher_alone_is_believed_against_the_labels(tiny_lm: Path, world: World, tmp_path: Path, loss: str) -> None:
    prompts, labels = world
    right, is_train = labels["label"].to_numpy(), np.arange(120) < 80
    wrong = pa.array(np.where(is_train, 1 - right, right), pa.int8())
    told = taught(labels.set_column(labels.column_names.index("label"), "label", wrong), right.astype(float))
    config = FULL.model_copy(update={"teacher": 1.0, "loss": loss})
    tune(load_backbone(tiny_lm, device="cpu"), prompts, told, config, tmp_path, seed=0)
    assert auc_on_test(score(tmp_path, prompts, config), labels) > 0.9


def test_label_and_teacher_are_mixed_by_its_share(tiny_lm: Path, world: World) -> None:
    prompts, labels = world
    config = FULL.model_copy(update={"teacher": 0.25, "loss": "two-logit"})
    backbone = load_backbone(tiny_lm, device="cpu")
    parts = [
        labelled_prompts(prompts, taught(labels, np.full(120, 0.6)), split, Draw(None), 0)
        for split in ("train", "valid")
    ]
    trainer = Trainer(backbone, config, *parts, seed=0)
    rows = trainer.scorer.encoder.encode(parts[0].prompts)
    batch = np.arange(5)
    p_yes = trainer.scorer.p_yes(rows.tokens)[batch]
    wanted = 0.75 * parts[0].labels[batch] + 0.25 * 0.6
    by_hand = -(wanted * np.log(p_yes) + (1 - wanted) * np.log(1 - p_yes)).sum()
    assert trainer._loss(rows, batch).item() == pytest.approx(by_hand, rel=1e-4)


def test_a_teacher_who_said_nothing_is_missed(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"llm\.teacher: wanted what a teacher expects of each row"):
        tune(load_backbone(tiny_lm, device="cpu"), *world, FULL.model_copy(update={"teacher": 1.0}), tmp_path, seed=0)


@pytest.mark.parametrize("number", ["slope", "level"])
def test_one_number_makes_it_as_sure_as_it_is_right(
    number: OneNumber, tiny_lm: Path, world: World, tmp_path: Path
) -> None:
    config = LORA.model_copy(update={"calibrate": number})
    facts = tune(load_backbone(tiny_lm, device="cpu"), *world, config, tmp_path, seed=0)
    prompts, labels = world
    as_tuned = score(tmp_path, prompts, LORA)["p_yes"].to_numpy()
    found = score(tmp_path, prompts, config)["p_yes"].to_numpy()
    fitted = Calibration(**facts["calibration"])
    assert fitted != Calibration()
    np.testing.assert_allclose(found, fitted(odds_of(as_tuned, 1e-12)), rtol=1e-6)
    is_valid = np.array(labels["split"].to_pylist()) == "valid"
    label = labels["label"].to_numpy()
    before, after = (-np.mean(np.log(np.where(label == 1, p_yes, 1 - p_yes))[is_valid]) for p_yes in (as_tuned, found))
    assert after < before


def test_a_teacher_who_taught_calibrates(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    """By what teaches, and so not by the chance of the validation rows' labels."""
    prompts, labels = world
    is_valid = np.array(labels["split"].to_pylist()) == "valid"
    taught = labels.append_column("p_yes", pa.array(np.full(labels.num_rows, 0.9)))
    config = LORA.model_copy(update={"calibrate": "level", "teacher": 1.0})
    tune(load_backbone(tiny_lm, device="cpu"), prompts, taught, config, tmp_path, seed=0)
    asked = prompts.filter(pc.is_in(prompts["target_id"], labels.filter(pa.array(is_valid))["target_id"]))
    found = score(tmp_path, asked, config)["p_yes"].to_numpy()
    assert found.mean() == pytest.approx(0.9, abs=1e-6)
    assert labels["label"].to_numpy()[is_valid].mean() < 0.8


def test_a_teacher_who_left_validation_rows_out_is_missed_before_the_training(
    tiny_lm: Path, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorerec.llm.tune.Trainer", None)
    prompts, labels = world
    is_valid = np.array(labels["split"].to_pylist()) == "valid"
    taught = labels.append_column("p_yes", pa.array(np.full(labels.num_rows, 0.9), mask=is_valid))
    config = LORA.model_copy(update={"calibrate": "level", "teacher": 1.0})
    with pytest.raises(ConfigError, match=r"llm\.teacher: wanted what a teacher expects of each row"):
        tune(load_backbone(tiny_lm, device="cpu"), prompts, taught, config, tmp_path, seed=0)
