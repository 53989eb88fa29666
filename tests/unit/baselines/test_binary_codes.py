import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import roc_auc_score

from scorerec.baselines.binary_codes import BinaryCodes, _hardened, learn_codes, write_code
from scorerec.baselines.config import BinLLMConfig
from scorerec.core.errors import ConfigError
from scorerec.core.tables import INTERACTIONS
from scorerec.crm.histories import Catalogue, split_rows


def planted() -> pa.Table:
    """Two tastes: a user likes nine of ten items of one half of the catalogue, and one of ten of the other."""
    random, rows, liked = np.random.default_rng(0), [], {}
    for number in range(2400):
        user, item = int(random.integers(40)), int(random.integers(30))
        label = int(random.random() < (0.9 if user % 2 == item % 2 else 0.1))
        split = "train" if number < 1600 else "valid" if number < 2000 else "test"
        rows.append((number, f"u{user}", f"i{item}", None, label, number, split, liked.get(user, 0)))
        liked[user] = liked.get(user, 0) + label
    columns = map(list, zip(*rows, strict=True))
    return INTERACTIONS.check(pa.table(dict(zip(INTERACTIONS.columns.names, columns, strict=True))))


def test_codes_as_text():
    bits = np.unpackbits(np.array([172, 16, 254, 1], np.uint8)).astype(bool)
    assert write_code(bits, "dot-decimal") == "172.16.254.1"
    assert write_code(bits[:8], "bits") == "10101100"
    with pytest.raises(ConfigError, match="wanted bits or dot-decimal"):
        write_code(bits, "hex")


def test_bits_have_the_gradient_of_what_they_stand_for():
    values = torch.tensor([-0.3, 0.2, 0.9], requires_grad=True)
    bits = _hardened(values, 1.0, None)
    assert bits.tolist() == [-1.0, 1.0, 1.0]
    (bits * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert values.grad.tolist() == [1.0, 2.0, 3.0]
    assert torch.equal(_hardened(values, 0.0, np.random.default_rng(0)), values)


def test_codes_tell_tastes_apart_and_mixed_up_they_tell_nothing():
    table = planted()
    config = BinLLMConfig(n_bits=16, dimension=8, epochs=30, hardening=0.1, batch_size=256)
    model, facts = learn_codes(table, config, seed=0)
    assert facts["valid_auc_of_codes"] > 0.75
    assert facts["curve"][-1]["loss"] < facts["curve"][0]["loss"]
    assert facts["curve"][facts["best_epoch"] - 1]["valid_auc"] == facts["valid_auc_of_codes"]
    rows = split_rows(table, model.catalogue, "test")
    with torch.inference_mode():
        assert roc_auc_score(rows.label, model.logits(rows)) > 0.75
        order = np.random.default_rng(0).permutation(len(model.catalogue)) + 1
        model.item_embedding.weight[1:] = model.item_embedding.weight[order]
        assert abs(roc_auc_score(rows.label, model.logits(rows)) - 0.5) < 0.2


def test_the_seed_decides_everything():
    config, histories = BinLLMConfig(n_bits=16, epochs=2), [["i0", "i2", "i4"], ["i1", "i3", "i5"], []]
    one, same, other = (learn_codes(planted(), config, seed)[0].user_codes(histories) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_any_history_and_any_item_has_a_code():
    model = BinaryCodes(Catalogue(["a", "b"]), BinLLMConfig(n_bits=8))
    assert model.user_codes([[], ["a"], ["a", "never seen"]]).shape == (3, 8)
    np.testing.assert_array_equal(*model.user_codes([["a"], ["a", "never seen"]]))
    assert model.item_codes(["a", "never seen"]).shape == (2, 8)
