import numpy as np
import pytest
import torch

from scorerec.core.errors import ConfigError
from scorerec.crm.base import ModelSettings
from scorerec.crm.histories import Catalogue, Prefixes, Rows
from scorerec.crm.sasrec import SASRec
from scorerec.crm.transformer import TransformerSettings

CATALOGUE = Catalogue([f"item {number}" for number in range(1, 31)])


@pytest.fixture
def model() -> SASRec:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = SASRec(CATALOGUE, TransformerSettings(dimension=8, inner_dimension=16, max_length=12))
        for weights in made.parameters():
            torch.nn.init.normal_(weights, std=0.5)  # large enough that everything matters
    return made.eval()


def ids(numbers) -> list[str]:
    return [CATALOGUE.item_ids[number - 1] for number in numbers]


@pytest.mark.parametrize("max_length", [12, 40])
def test_a_row_in_training_reads_the_state_that_encode_gives_for_its_prefix(model, max_length):
    """One pass over the whole sequence, or over windows of it, equals a pass over each prefix."""
    items = np.random.default_rng(0).integers(1, 31, 30)
    length = np.arange(31)
    rows = Rows(Prefixes(items, np.array([0, 30]), np.zeros(31, np.int64), length), length, np.ones(31, np.float32))
    model = model if max_length == 12 else model_with(max_length)
    states = np.zeros((31, 8), np.float32)
    for batch in model.batches(rows, 10_000, np.random.default_rng(0)):
        states[batch.item.numpy()] = model._states(batch).detach().numpy()
    prefixes = model.encode([ids(items[:end]) for end in length])
    np.testing.assert_allclose(states, prefixes, atol=1e-5)
    assert len(np.unique(states.round(4), axis=0)) == 31


def model_with(max_length: int) -> SASRec:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return SASRec(CATALOGUE, TransformerSettings(dimension=8, max_length=max_length)).eval()


def test_no_state_depends_on_a_later_item(model):
    tokens = torch.tensor([[3, 5, 7, 9], [3, 5, 8, 1]])
    states = model.read(tokens)
    torch.testing.assert_close(states[0, :2], states[1, :2])
    assert not torch.allclose(states[0, 2], states[1, 2])


def test_padding_changes_no_state(model):
    alone = model.read(torch.tensor([[3, 5]]))
    padded = model.read(torch.tensor([[3, 5, 0, 0], [1, 2, 3, 4]]))
    torch.testing.assert_close(alone[0], padded[0, :2], atol=1e-6, rtol=1e-5)


def test_the_order_of_a_history_matters(model):
    one, other = model.encode([ids([1, 2, 3]), ids([2, 1, 3])])
    assert np.abs(one - other).max() > 1e-3


def test_the_library_starts_with_small_weights():
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(0)
    fresh = SASRec(Catalogue([str(number) for number in range(2000)]), TransformerSettings())
    torch.random.set_rng_state(torch_state)
    assert float(fresh.item_embedding.weight[1:].detach().std()) == pytest.approx(0.02, rel=0.02)
    assert fresh.item_embedding.weight[0].abs().sum() == 0
    assert fresh.transformer.norm.eps == 1e-12


def test_heads_must_divide_the_dimension():
    with pytest.raises(ConfigError, match="got 64 and 3"):
        SASRec(CATALOGUE, TransformerSettings(n_heads=3))


def test_settings_of_another_model_are_refused():
    with pytest.raises(ConfigError, match="wanted TransformerSettings, got ModelSettings"):
        SASRec(CATALOGUE, ModelSettings())
