import numpy as np
import pytest
import torch

from scorerec.crm.factors import FactorRecommender
from scorerec.crm.histories import Catalogue, Prefixes, Rows, whole_histories
from scorerec.crm.lightgcn import LightGCN
from scorerec.crm.mf import MF
from scorerec.crm.recipes.factors import FactorSettings
from scorerec.crm.recipes.lightgcn import LightGCNSettings

CATALOGUE = Catalogue(["a", "b", "c"])
# Two users: the first likes a, then b, and not c; the second likes b.
ROWS = Rows(
    Prefixes(np.array([1, 2]), np.array([0, 2, 2]), np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0])),
    np.array([1, 2, 3, 2]),
    np.array([1, 1, 0, 1], np.float32),
)
VECTORS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])  # padding, a, b, c


def made(kind: type[FactorRecommender], settings: FactorSettings) -> FactorRecommender:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(CATALOGUE, settings)
        model.prepare(ROWS)
    with torch.no_grad():
        model.item_embedding.weight.copy_(VECTORS)
    return model.eval()


def test_mf_folds_a_history_in_as_the_mean_of_its_items():
    model = made(MF, FactorSettings(dimension=2, history_power=1.0))
    vectors = model.encode([["a", "b"], [], ["b", "never seen"]])
    np.testing.assert_allclose(vectors, [[0.5, 1.0], [0, 0], [0, 2]])


def test_mf_multiplies_user_and_item():
    model = made(MF, FactorSettings(dimension=2, history_power=1.0))
    with torch.no_grad():
        model.item_bias[3] = 0.25
    expected = 1 / (1 + np.exp(-(0.5 * 3 + 1 * 3 + 0.25)))
    assert model.score([["a", "b"]], ["c"])[0] == pytest.approx(expected)


@pytest.mark.parametrize(("power", "divisor"), [(0.0, 1.0), (0.5, np.sqrt(2)), (1.0, 2.0)])
def test_a_sum_is_divided_by_a_power_of_its_length(power, divisor):
    model = made(MF, FactorSettings(dimension=2, history_power=power))
    np.testing.assert_allclose(model.encode([["a", "b"]]), [[1 / divisor, 2 / divisor]], rtol=1e-6)


@pytest.mark.parametrize(("latest", "expected"), [(1, [3, 3]), (2, [3, 5]), (3, [4, 5]), (9, [4, 5]), (None, [4, 5])])
def test_the_latest_items_say_what_comes_next_and_all_of_them_who_a_user_is(latest, expected):
    """a, b, c lie at (1, 0), (0, 2), (3, 3): of a long history its end, of a short one everything."""
    model = made(MF, FactorSettings(dimension=2, history_power=1.0, item_bias=False, latest=latest))
    histories = [["a", "b", "c"], ["a"], []]
    np.testing.assert_allclose(model.encode(histories), [[4 / 3, 5 / 3], [1, 0], [0, 0]], rtol=1e-6)
    users = np.array([np.array(expected) / min(latest or 3, 3), [1, 0], [0, 0]])
    prefixes = whole_histories(histories, CATALOGUE)
    np.testing.assert_allclose(model.rank(prefixes), users @ VECTORS[1:].numpy().T, rtol=1e-6)
    rows = Rows(prefixes, np.array([2, 2, 2]), np.zeros(3, np.float32))
    np.testing.assert_allclose(model.logits(rows).detach().numpy(), users @ [0, 2], rtol=1e-6)


def test_the_latest_items_of_a_prefix_are_its_own():
    """Not those of its whole history, which goes on."""
    model = made(MF, FactorSettings(dimension=2, history_power=1.0))
    prefixes = Prefixes(np.array([3, 1, 2, 3]), np.array([0, 1, 4]), np.array([1, 1, 0, 1]), np.array([2, 1, 1, 3]))
    found = model.fold_in(prefixes, model.factors().contributions, latest=1).detach().numpy()
    np.testing.assert_allclose(found, [[0, 2], [1, 0], [3, 3], [3, 3]])


def test_cross_entropy_by_hand():
    """The liked rows: nothing before a, a before b, and nothing before b; the disliked one is left out."""
    settings = FactorSettings(dimension=2, objective="cross-entropy", item_bias=False, temperature=2.0)
    model = made(MF, settings)
    (batch,) = model.batches(ROWS, 10, np.random.default_rng(0))
    assert sorted(batch.rows.item.tolist()) == [1, 2, 2]
    assert len(batch.other) == 0
    after_a = np.log(np.exp(np.array([1, 0, 3]) / 2).sum()) - 0  # (1, 0) with a, b, c; b came next
    assert model.loss(batch).item() == pytest.approx((2 * np.log(3) + after_a) / 3, rel=1e-6)
    assert model.user_embedding is None


def test_values_are_left_out_of_a_historys_vector_in_training_alone():
    model = made(MF, FactorSettings(dimension=2, objective="cross-entropy", dropout=0.5))
    (batch,) = model.batches(ROWS, 10, np.random.default_rng(0))
    assert len({model.loss(batch).item() for _ in range(8)}) == 1
    model.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert len({model.loss(batch).item() for _ in range(8)}) > 1


def test_bce_by_hand():
    """The four rows have the logits 0, 0.0, (0.5, 1) . (3, 3) and 0."""
    model = made(MF, FactorSettings(dimension=2, history_power=1.0))
    (batch,) = model.batches(ROWS, 10, np.random.default_rng(0))
    expected = (3 * np.log(2) + np.log1p(np.exp(4.5))) / 4
    assert model.loss(batch).item() == pytest.approx(expected, rel=1e-6)


def test_bpr_by_hand():
    """Users have vectors of their own; what is drawn beside a liked item is not liked."""
    model = made(MF, FactorSettings(dimension=2, objective="bpr", item_bias=False))
    with torch.no_grad():
        model.user_embedding.weight.copy_(torch.tensor([[1.0, 1.0], [0.5, -1.0]]))
    (batch,) = model.batches(ROWS, 10, np.random.default_rng(0))
    users, items = batch.rows.prefixes.history, batch.rows.item
    assert sorted(zip(users.tolist(), items.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]
    for user, other in zip(users.tolist(), batch.other.tolist(), strict=True):
        assert other in {0: (3,), 1: (1, 3)}[user]
    scores = model.user_embedding.weight.detach().numpy() @ VECTORS.numpy().T
    margins = scores[users, items] - scores[users, batch.other]
    assert model.loss(batch).item() == pytest.approx(np.log1p(np.exp(-margins)).mean(), rel=1e-6)


@pytest.mark.parametrize("kind", [MF, LightGCN])
def test_a_finished_model_keeps_no_user(kind):
    model = made(kind, kind.kind.settings(dimension=2, objective="bpr"))
    before = model.score([["a"], []], ["b", "c"])
    model.finish()
    assert not any(tensor.shape[0] == 2 and "user" in name for name, tensor in model.state_dict().items())
    np.testing.assert_allclose(model.score([["a"], []], ["b", "c"]), before, rtol=1e-6)


def test_lightgcn_by_hand():
    """One step over the graph: a has one like, b two; the first user two, the second one."""
    model = made(LightGCN, LightGCNSettings(dimension=2, n_layers=1, objective="bpr"))
    users = torch.tensor([[1.0, 2.0], [4.0, 0.0]])
    with torch.no_grad():
        model.user_embedding.weight.copy_(users)
    factors = model.factors()
    a, b = VECTORS[1], VECTORS[2]
    arrived_at_first = a / np.sqrt(2 * 1) + b / np.sqrt(2 * 2)
    torch.testing.assert_close(factors.users[0], (users[0] + arrived_at_first) / 2)
    arrived_at_b = users[0] / np.sqrt(2 * 2) + users[1] / np.sqrt(1 * 2)
    torch.testing.assert_close(factors.targets[2], (b + arrived_at_b) / 2)
    torch.testing.assert_close(factors.targets[3], VECTORS[3] / 2)  # nobody likes c


def test_lightgcn_gives_a_known_history_what_arrives_at_its_user():
    model = made(LightGCN, LightGCNSettings(dimension=2, n_layers=1))
    arrived = VECTORS[1] / np.sqrt(2 * 1) + VECTORS[2] / np.sqrt(2 * 2)
    np.testing.assert_allclose(model.encode([["a", "b"]])[0], arrived / 2, rtol=1e-6)


def test_only_the_histories_that_are_read_are_summed():
    compact = ROWS.prefixes.take(np.array([1, 3])).compact()
    assert compact.items.tolist() == [1]
    assert compact.starts.tolist() == [0, 1, 1]
    assert compact.history.tolist() == [0, 1]
