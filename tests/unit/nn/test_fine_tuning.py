import random

import numpy as np
import pytest
import torch

from scorerec.core.errors import ModelError
from scorerec.nn.contrastive import EncoderTask, Example
from scorerec.nn.encoders import encode, load_encoder
from scorerec.nn.fine_tuning import FineTuneConfig, fine_tune

TEXTS = {"a": "doom quake", "b": "hexen doom", "c": "emma clueless", "d": "persuasion sanditon"}
EXAMPLES = [
    Example("quake", ("a", "b"), excluded=frozenset("ab")),
    Example("sanditon", ("c", "d"), excluded=frozenset("cd")),
] * 4
TASK = EncoderTask(TEXTS, temperature=0.1, in_batch_negatives=True)


def tuned(folder, seed=0, learning_rate=0.05):
    encoder = load_encoder(str(folder))
    config = FineTuneConfig(epochs=3, batch_size=4, learning_rate=learning_rate, device="cpu")
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
        fine_tune(encoder, TASK, EXAMPLES, FineTuneConfig(epochs=1, device="cpu"), seed=0)
