"""The state of a training: kept whole, found by its own training alone, and not more often than it is worth."""

import pytest
import torch

from scorerec.core.errors import ArtifactError
from scorerec.nn import checkpoints
from scorerec.nn.checkpoints import Checkpoint, Interval, TrainingTensors

MINE = {"seed": 0}


def test_a_state_comes_back_to_its_own_training_alone(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint", MINE)
    assert checkpoint.load() is None
    checkpoint.save({"weight": torch.arange(3.0)}, {"step": 1})
    checkpoint.save({"weight": torch.arange(4.0)}, {"step": 2, "best": float("-inf")})
    tensors, facts = Checkpoint(tmp_path / "checkpoint", MINE).load()
    assert tensors["weight"].tolist() == [0, 1, 2, 3]
    assert (facts["step"], facts["best"]) == (2, float("-inf"))
    assert Checkpoint(tmp_path / "checkpoint", {"seed": 1}).load() is None
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_a_state_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path, MINE)
    checkpoint.save({"weight": torch.zeros(1)}, {"step": 1})
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "sync", lambda path: path.write_bytes(b"half") and exit())
        with pytest.raises(SystemExit):
            checkpoint.save({"weight": torch.ones(1)}, {"step": 2})
    again = Checkpoint(tmp_path, MINE)
    assert again.load().facts["step"] == 1
    again.save({"weight": torch.ones(1)}, {"step": 3})
    assert Checkpoint(tmp_path, MINE).load().facts["step"] == 3


def test_seconds_add_up_over_attempts(tmp_path, monkeypatch):
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: next(now))
    first = Checkpoint(tmp_path, MINE)
    first.save({"weight": torch.zeros(1)}, {})
    again = Checkpoint(tmp_path, MINE)
    spent = again.load().facts["seconds"]
    assert again.seconds_before == spent > 0
    assert again.seconds > spent


def test_a_damaged_state_says_what_to_do(tmp_path):
    checkpoint = Checkpoint(tmp_path, MINE)
    checkpoint.save({"weight": torch.zeros(1)}, {})
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=rf"{path.name}.*delete this file and run again"):
        checkpoint.load()


def test_states_are_kept_after_some_minutes_and_cost_a_small_share(monkeypatch):
    now = 0.0
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now)
    interval = Interval()
    now = 179.0
    assert not interval.is_over
    now = 180.0
    assert interval.is_over
    interval.start()
    now += 60  # a minute for a large model: not again before 20 minutes have passed
    interval.end()
    now += 20 * 60 - 1
    assert not interval.is_over
    now += 1
    assert interval.is_over


def test_adam_and_dropout_go_on_as_they_would_have():
    def trained(kill_after):
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.ones(8))
        adam = torch.optim.AdamW([weight], lr=0.1)
        kept = TrainingTensors({"w": weight}, adam, torch.device("cpu"))
        for step in range(4):
            if step == kill_after:
                state = {name: tensor.clone() for name, tensor in kept.read().items()}
                torch.manual_seed(9)
                weight = torch.nn.Parameter(torch.zeros(8))
                adam = torch.optim.AdamW([weight], lr=0.1)
                kept = TrainingTensors({"w": weight}, adam, torch.device("cpu"))
                kept.restore(state)
            adam.zero_grad()
            torch.nn.functional.dropout(weight, 0.5).square().sum().backward()
            adam.step()
        return weight

    with torch.random.fork_rng():
        assert torch.equal(trained(None), trained(2))
