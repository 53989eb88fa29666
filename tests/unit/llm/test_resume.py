"""A tuning that is killed again and again ends with the very weights of one that was left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LLMConfig, LoRAConfig
from scorerec.llm.tune import tune
from scorerec.nn import checkpoints
from scorerec.nn.checkpoints import Checkpoint

World = tuple[pa.Table, pa.Table]
# Everything that has a state of its own: dropout, warm-up and decay, selections within epochs, patience.
LORA = LLMConfig(
    learning_rate=1e-2,
    warmup_share=0.3,
    epochs=3,
    batch_size=8,
    gradient_accumulation=2,
    selections_per_epoch=2,
    embedding_dropout=0.1,
    loss="two-logit",
    lora=LoRAConfig(dropout=0.2),
)
FULL = LORA.model_copy(update={"tune": "full", "history_augmentation": True, "patience": 2, "learning_rate": 3e-2})
# Packs, lower layers that are kept, and a second rate.
UPPER = LoRAConfig(dropout=0.2, last_layers=1, plus_ratio=4.0)
PACKS = LORA.model_copy(
    update={"tune": "lora", "share_prefixes": True, "pack_branches": 4, "embedding_dropout": 0.0, "lora": UPPER}
)
PACKS_FULL = FULL.model_copy(update={"share_prefixes": True, "evidence_augmentation": True})


class Killed(BaseException):
    pass


@pytest.fixture
def killed_after_each_state(monkeypatch: pytest.MonkeyPatch) -> None:
    save = Checkpoint.save

    def save_and_die(self: Checkpoint, *state: Any) -> None:
        save(self, *state)
        raise Killed

    monkeypatch.setattr(checkpoints, "MINUTES", 0.0)
    monkeypatch.setattr(checkpoints, "_SHARE", 1e9)
    monkeypatch.setattr(Checkpoint, "save", save_and_die)


def tune_until_done(model: Path, *given: Any) -> tuple[dict[str, Any], int]:
    for n_kills in range(100):
        try:
            return tune(load_backbone(model, device="cpu"), *given), n_kills
        except Killed:
            continue
    raise AssertionError


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("config", [LORA, FULL, PACKS, PACKS_FULL], ids=["lora", "full", "packs", "packs-full"])
def test_killed_after_every_step(
    tiny_lm: Path, world: World, tmp_path: Path, config: LLMConfig, request: pytest.FixtureRequest
) -> None:
    limited = config.model_copy(update={"max_train_rows": 48})
    whole = tune(load_backbone(tiny_lm, device="cpu"), *world, limited, tmp_path / "whole", 0)
    request.getfixturevalue("killed_after_each_state")
    again, n_kills = tune_until_done(tiny_lm, *world, limited, tmp_path / "again", 0)
    assert n_kills >= 5
    assert files(tmp_path / "again") == files(tmp_path / "whole")
    assert again.pop("seconds_before") > whole.pop("seconds_before") == 0
    assert again.pop("rows_per_second") > 0 < whole.pop("rows_per_second")
    assert again == whole


def test_what_another_tuning_left_is_not_gone_on_from(
    tiny_lm: Path, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    short = LORA.model_copy(update={"epochs": 1, "max_train_rows": 48})
    request.getfixturevalue("killed_after_each_state")
    with pytest.raises(Killed):
        tune(load_backbone(tiny_lm, device="cpu"), *world, short, tmp_path / "again", 1)
    monkeypatch.undo()
    tune(load_backbone(tiny_lm, device="cpu"), *world, short, tmp_path / "again", 0)
    tune(load_backbone(tiny_lm, device="cpu"), *world, short, tmp_path / "whole", 0)
    assert files(tmp_path / "again") == files(tmp_path / "whole")
