import numpy as np
import torch

from scorerec.crm.din import DIN
from scorerec.crm.histories import Catalogue, Prefixes, Rows, whole_histories
from scorerec.crm.recipes.din import DINSettings

CATALOGUE = Catalogue([f"item {number}" for number in range(1, 11)])


def make(**settings) -> DIN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DIN(CATALOGUE, DINSettings(dimension=4, attention_widths=(6,), output_widths=(5,), **settings))
        for weights in model.parameters():
            torch.nn.init.normal_(weights, std=0.5)
        with torch.no_grad():
            model.item_embedding.weight[0].zero_()
    return model.eval()


def test_interest_is_a_weighted_sum_without_softmax():
    """Item by item, as the paper writes it: a network sees the item asked about beside one of the history."""
    model = make()
    tokens, item = torch.tensor([[3, 5, 0]]), torch.tensor([7])
    asked = model.item_embedding(item)[0]
    expected = torch.zeros(4)
    for number in (3, 5):
        one = model.item_embedding.weight[number]
        weight = model.attention(torch.cat([asked, one, asked - one, asked * one]))
        expected = expected + weight * one
    torch.testing.assert_close(model._interest(tokens, asked[None])[0], expected / 2)


def test_what_a_history_says_depends_on_the_item():
    model = make()
    tokens = torch.tensor([[3, 5], [3, 5]])
    interest = model._interest(tokens, model.item_embedding(torch.tensor([1, 2])))
    assert not torch.allclose(interest[0], interest[1])


def test_padding_changes_nothing():
    model = make()
    scores = model.score([["item 3"], ["item 3", "item 5", "item 6"]], ["item 1", "item 1"])
    np.testing.assert_allclose(model.score([["item 3"]], ["item 1"])[0], scores[0], rtol=1e-6)


def test_the_latest_items_are_read():
    model = make(max_length=2)
    items = [f"item {number}" for number in (1, 2, 3)]
    np.testing.assert_array_equal(model.encode([items]), model.encode([items[1:]]))
    np.testing.assert_array_equal(model.score([items], ["item 9"]), model.score([items[1:]], ["item 9"]))


def test_every_row_of_an_epoch_is_learned_from_once():
    prefixes = Prefixes(np.arange(1, 9), np.array([0, 8]), np.zeros(8, np.int64), np.arange(8))
    rows = Rows(prefixes, np.arange(1, 9), np.ones(8, np.float32))
    batches = list(make().batches(rows, 3, np.random.default_rng(0)))
    assert sorted(torch.cat([batch.item for batch in batches]).tolist()) == list(range(1, 9))
    for batch in batches:
        lengths = (batch.tokens != 0).sum(1)
        np.testing.assert_array_equal(lengths, batch.item - 1)  # a row reads what was liked before it


def test_all_pairs_of_items_are_weighed_once_and_the_scores_are_those_of_rows():
    """The table of weights holds what each row would have computed for itself, padding left out."""
    model = make(max_length=3)
    histories = [[], ["item 3"], ["item 3", "item 5", "item 3", "item 9"], ["item 1", "item 2"]]
    prefixes = whole_histories(histories, CATALOGUE)
    table = model.rank(prefixes)
    assert table.shape == (4, 10)
    with torch.inference_mode():
        for row in range(4):
            for item in range(10):
                asked = Rows(prefixes.take(np.array([row])), np.array([item + 1]), np.zeros(1, np.float32))
                np.testing.assert_allclose(table[row, item], model.logits(asked)[0], rtol=1e-5, atol=1e-6)
    assert len(np.unique(table[2].round(4))) == 10


def test_a_liked_item_is_learned_beside_one_that_is_drawn():
    prefixes = Prefixes(np.arange(1, 9), np.array([0, 8]), np.zeros(8, np.int64), np.arange(8))
    rows = Rows(prefixes, np.arange(1, 9), np.array([1, 1, 0, 1, 0, 1, 1, 1], np.float32))
    batches = list(make(objective="sampled").batches(rows, 4, np.random.default_rng(0)))
    labels = torch.cat([batch.label for batch in batches])
    items = torch.cat([batch.item for batch in batches])
    lengths = torch.cat([(batch.tokens != 0).sum(1) for batch in batches])
    assert sorted(items[labels == 1].tolist()) == [1, 2, 4, 6, 7, 8]  # the disliked ones are left out
    np.testing.assert_array_equal(lengths[labels == 1], items[labels == 1] - 1)
    assert sorted(lengths[labels == 0].tolist()) == [0, 1, 3, 5, 6, 7]  # drawn for the same prefixes
    assert ((items >= 1) & (items <= 10)).all()
    drawn = [
        torch.cat([batch.item for batch in make(objective="sampled").batches(rows, 4, np.random.default_rng(seed))])
        for seed in (0, 0, 1)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
