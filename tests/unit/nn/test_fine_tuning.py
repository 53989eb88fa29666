import random

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from scorerec.core.errors import ModelError
from scorerec.nn import checkpoints
from scorerec.nn.config import FineTuneConfig
from scorerec.nn.contrastive import EncoderTask, Example, PairTask
from scorerec.nn.encoders import encode, load_encoder
from scorerec.nn.fine_tuning import _Watch, fine_tune

TEXTS = {"a": "doom quake", "b": "hexen doom", "c": "emma clueless", "d": "persuasion sanditon"}
EXAMPLES = [
    Example("quake", ("a", "b"), excluded=frozenset("ab")),
    Example("sanditon", ("c", "d"), excluded=frozenset("cd")),
] * 4
TASK = EncoderTask(TEXTS, temperature=0.1, in_batch_negatives=True)


def tuned(folder, seed=0, learning_rate=0.05):
    encoder = load_encoder(str(folder))
    config = FineTuneConfig(epochs=3, batch_size=4, learning_rate=learning_rate)
    return encoder, fine_tune(encoder, TASK, EXAMPLES, config, seed)


@pytest.mark.parametrize("folder", ["static_folder", "bert_folder"])
def test_it_learns_quietly_and_the_same_way_every_time(folder, request, capsys):
    path = request.getfixturevalue(folder)
    encoder, losses = tuned(path)
    again, losses_again = tuned(path)
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert losses == losses_again
    assert np.array_equal(encode(encoder, list(TEXTS.values())), encode(again, list(TEXTS.values())))
    assert not encoder.training
    assert capsys.readouterr().out == ""


def test_the_seed_matters(static_folder):
    assert tuned(static_folder)[1] != tuned(static_folder, seed=1)[1]


def test_global_generators_are_left_as_they_were(static_folder):
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    tuned(static_folder)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_nothing_is_left_on_disk(static_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tuned(static_folder)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_not_a_number_is_an_error(static_folder):
    encoder = load_encoder(str(static_folder))
    encoder[0].embedding.weight.data[:] = float("nan")
    with pytest.raises(ModelError, match="learning rate"):
        fine_tune(encoder, TASK, EXAMPLES, FineTuneConfig(epochs=1), seed=0)


class Killed(BaseException):
    pass


@pytest.fixture
def killed_after_each_state(monkeypatch):
    saved = _Watch.on_save

    def die(self, *given, **more):
        saved(self, *given, **more)
        raise Killed

    monkeypatch.setattr(checkpoints, "MINUTES", 0.0)
    monkeypatch.setattr(checkpoints, "_SHARE", 1e9)
    monkeypatch.setattr(_Watch, "on_save", die)


def model_and_task(kind, folder):
    if kind == "cross-encoder":
        with torch.random.fork_rng():
            torch.manual_seed(0)  # of a fresh scoring head
            return CrossEncoder(str(folder), num_labels=1, device="cpu"), PairTask(TEXTS, temperature=0.1)
    return load_encoder(str(folder)), TASK


@pytest.mark.parametrize(
    ("kind", "folder"), [("static", "static_folder"), ("bert", "bert_folder"), ("cross-encoder", "bert_folder")]
)
def test_killed_after_every_epoch_it_ends_with_the_same_weights(
    kind, folder, request, tmp_path, killed_after_each_state, capsys
):
    path = request.getfixturevalue(folder)
    examples = [example._replace(negatives=tuple(sorted(set("abcd") - set(example.positives)))) for example in EXAMPLES]
    config = FineTuneConfig(epochs=4, batch_size=4, learning_rate=0.01)
    whole, task = model_and_task(kind, path)
    losses = fine_tune(whole, task, examples, config, 0)
    for n_kills in range(4):
        model, task = model_and_task(kind, path)
        again = None
        try:
            again = fine_tune(model, task, examples, config, 0, tmp_path / "checkpoint")
            break
        except Killed:
            states = [state.name for state in tmp_path.glob("checkpoint/*/*")]
            assert states == [f"checkpoint-{2 * (n_kills + 1)}"]
    assert n_kills == 3
    assert again == losses
    for (name, weight), other in zip(whole.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.equal(weight, other), name
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_a_state_of_another_training_or_half_written_is_not_taken_up(static_folder, tmp_path, killed_after_each_state):
    config = FineTuneConfig(epochs=2, batch_size=4, learning_rate=0.05)
    with pytest.raises(Killed):
        fine_tune(load_encoder(str(static_folder)), TASK, EXAMPLES, config, 0, tmp_path)
    with pytest.raises(Killed):  # after its own first epoch
        fine_tune(load_encoder(str(static_folder)), TASK, EXAMPLES, config, 1, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    for mark in tmp_path.rglob("trainer_state.json"):
        mark.unlink()
    with pytest.raises(Killed):
        fine_tune(load_encoder(str(static_folder)), TASK, EXAMPLES, config, 0, tmp_path)
