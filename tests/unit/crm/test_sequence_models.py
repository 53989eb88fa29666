"""What every model that reads from left to right must do, whatever it reads with."""

import numpy as np
import pytest
import torch

from scorerec.crm.core_session import CORE
from scorerec.crm.gru4rec import GRU4Rec
from scorerec.crm.histories import Catalogue, Prefixes, Rows
from scorerec.crm.registry import MODULES, model_class
from scorerec.crm.sasrec import SASRec
from scorerec.crm.sequence import SequenceRecommender

CATALOGUE = Catalogue([f"item {number}" for number in range(1, 31)])
SEQUENCE_MODELS = [SASRec, GRU4Rec, CORE]


def make(kind: type[SequenceRecommender], max_length: int, **settings) -> SequenceRecommender:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(CATALOGUE, kind.kind.settings(dimension=8, max_length=max_length, **settings))
        # Large enough that everything matters, and not so large that a recurrence turns rounding into noise.
        for weights in model.parameters():
            torch.nn.init.normal_(weights, std=0.2 if kind is GRU4Rec else 0.5)
    return model.eval()


@pytest.fixture(params=SEQUENCE_MODELS, ids=lambda kind: kind.kind.name)
def kind(request) -> type[SequenceRecommender]:
    return request.param


def ids(numbers) -> list[str]:
    return [CATALOGUE.item_ids[number - 1] for number in numbers]


def test_none_is_left_out():
    known = map(model_class, MODULES)
    assert {model for model in known if issubclass(model, SequenceRecommender)} == set(SEQUENCE_MODELS)


@pytest.mark.parametrize("max_length", [12, 40])
@pytest.mark.parametrize("unit_states", [False, True])
def test_a_row_in_training_reads_the_state_that_encode_gives_for_its_prefix(kind, max_length, unit_states):
    """One pass over the whole sequence, or over windows of it, equals a pass over each prefix."""
    model = make(kind, max_length, unit_states=unit_states)
    items = np.random.default_rng(0).integers(1, 31, 30)
    length = np.arange(31)
    rows = Rows(Prefixes(items, np.array([0, 30]), np.zeros(31, np.int64), length), length, np.ones(31, np.float32))
    states = np.zeros((31, 8), np.float32)
    for batch in model.batches(rows, 10_000, np.random.default_rng(0)):
        states[batch.item.numpy()] = model._states(batch).detach().numpy()
    prefixes = model.encode([ids(items[:end]) for end in length])
    np.testing.assert_allclose(states, prefixes, atol=1e-5)
    assert len(np.unique(states.round(4), axis=0)) > 25
    if unit_states:
        np.testing.assert_allclose(np.linalg.norm(states, axis=1), 1, atol=1e-5)


def test_no_state_depends_on_a_later_item(kind):
    states = make(kind, 12).read(torch.tensor([[3, 5, 7, 9], [3, 5, 8, 1]]))
    torch.testing.assert_close(states[0, :2], states[1, :2])
    assert not torch.allclose(states[0, 2], states[1, 2])


def test_padding_changes_no_state(kind):
    model = make(kind, 12)
    alone = model.read(torch.tensor([[3, 5]]))
    padded = model.read(torch.tensor([[3, 5, 0, 0], [1, 2, 3, 4]]))
    torch.testing.assert_close(alone[0], padded[0, :2], atol=1e-6, rtol=1e-5)


def test_the_order_of_a_history_matters(kind):
    one, other = make(kind, 12).encode([ids([1, 2, 3]), ids([2, 1, 3])])
    assert np.abs(one - other).max() > 1e-3


def test_core_is_a_mean_of_a_historys_items():
    """Weights that do not depend on the item leave the plain mean of the items so far."""
    model = make(CORE, 12)
    torch.nn.init.zeros_(model.weigh.weight)
    tokens = torch.tensor([[3, 5, 9]])
    vectors = model.item_embedding(tokens)
    means = vectors.cumsum(1) / torch.tensor([1.0, 2.0, 3.0])[None, :, None]
    torch.testing.assert_close(model.read(tokens), means)


def test_core_scores_the_cosine_over_the_temperature():
    model = make(CORE, 12, unit_states=True, item_bias=False, temperature=0.5)
    items = ids([4])
    torch.nn.init.zeros_(model.item_bias)
    item = model.item_embedding.weight[4].detach().numpy()
    cosine = model.encode([ids([1, 2])])[0] @ item / np.linalg.norm(item)
    assert model.score([ids([1, 2])], items)[0] == pytest.approx(1 / (1 + np.exp(-cosine / 0.5)), abs=1e-6)
