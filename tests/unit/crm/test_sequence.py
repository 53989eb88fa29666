from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from scorerec.crm.histories import Catalogue, Prefixes, Rows, split_rows, training_catalogue, whole_histories
from scorerec.crm.recipes.kind import Kind
from scorerec.crm.recipes.sequence import SequenceSettings
from scorerec.crm.sequence import SequenceRecommender, windows_of


class Counting(SequenceRecommender):
    """Its state is the sum of the item vectors so far, so that every number can be checked by hand."""

    kind: ClassVar = Kind("counting", "Counting", SequenceSettings, "nowhere:Counting", {})

    def read(self, tokens):
        return self.item_embedding(tokens).cumsum(1)


def counting(objective="bce", max_length=8, n_items=4, **settings) -> Counting:
    catalogue = Catalogue("abcdefghijklmnopqrstuvwxyz"[:n_items])
    model = Counting(catalogue, SequenceSettings(objective=objective, dimension=2, max_length=max_length, **settings))
    with torch.no_grad():
        model.item_embedding.weight.copy_(torch.tensor([[0.0, 0.0], [1, 0], [0, 1], [1, 1], [2, 0]])[: n_items + 1])
        model.item_bias.copy_(torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4]))
        model.start.copy_(torch.tensor([5.0, 7.0]))
    return model.eval()


def one_history(length: int, prefixes: list[int]) -> Prefixes:
    zeros = np.zeros(len(prefixes), np.int64)
    return Prefixes(np.arange(1, length + 1), np.array([0, length]), zeros, np.array(prefixes))


def test_states_of_every_prefix():
    states = counting().encode([[], ["a"], ["a", "c"], ["a", "c", "b"], ["unknown"], ["unknown", "a"]])
    assert states.tolist() == [[5, 7], [1, 0], [2, 1], [2, 2], [5, 7], [1, 0]]


def test_a_pooled_vector_is_the_mean_of_the_directions_of_states():
    """States (1, 0), (2, 1), (2, 2) after a, c, b; the state after nothing is as it is."""
    vectors = counting(pooling="mean").encode([[], ["a"], ["a", "c"], ["a", "c", "b"], ["unknown"]])
    directions = np.array([[1, 0], [2 / np.sqrt(5), 1 / np.sqrt(5)], [1 / np.sqrt(2), 1 / np.sqrt(2)]])
    means = [directions[:count].mean(0) for count in (1, 2, 3)]
    np.testing.assert_allclose(vectors, [[5, 7], *means, [5, 7]], rtol=1e-6)


def test_a_pooled_vector_of_length_1():
    (vector,) = counting(pooling="mean", unit_states=True).encode([["a", "c"]])
    mean = np.array([1 + 2 / np.sqrt(5), 1 / np.sqrt(5)])
    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), rtol=1e-6)


def test_pooling_changes_vectors_and_no_score():
    last, mean = counting(), counting(pooling="mean")
    histories, items = [["a", "c"], [], ["b"] * 5], ["d", "a", "unknown"]
    np.testing.assert_array_equal(last.score(histories, items), mean.score(histories, items))
    prefixes = whole_histories(histories, last.catalogue)
    np.testing.assert_array_equal(last.rank(prefixes), mean.rank(prefixes))
    assert not np.array_equal(last.encode(histories), mean.encode(histories))


def test_a_long_history_is_pooled_over_the_window_that_it_is_read_by():
    """Of nine items in windows of eight, the window of the last seven: their directions are all that of a."""
    (vector,) = counting(pooling="mean").encode([["d", "b", *["a"] * 7]])
    np.testing.assert_allclose(vector, [1, 0], atol=1e-6)


def test_the_whole_catalogue_by_hand():
    """State (2, 1) after a, c with a, b, c, d, and their biases."""
    model = counting()
    table = model.rank(whole_histories([["a", "c"], []], model.catalogue))
    np.testing.assert_allclose(table, [[2.1, 1.2, 3.3, 4.4], [5.1, 7.2, 12.3, 10.4]], rtol=1e-6)


def test_scores_by_hand():
    model = counting()
    scores = model.score([["a", "c"], ["a", "c"], []], ["d", "unknown", "b"])
    # 2 * 2 + 0.4; the average item (1, 0.5) with bias 0.25; the start state with item b
    expected = 1 / (1 + np.exp(-np.array([4.4, 2 * 1 + 1 * 0.5 + 0.25, 7.2])))
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    model.calibration.copy_(torch.tensor([0.5, -1.0]))
    np.testing.assert_allclose(model.score([["a", "c"]], ["d"]), 1 / (1 + np.exp(-1.2)), rtol=1e-6)


def test_an_unknown_item_has_the_average_vector():
    assert counting().item_vectors(["d", "unknown"]).tolist() == [[2, 0], [1, 0.5]]


def test_one_window_serves_all_prefixes_of_a_short_history():
    windows = windows_of(one_history(8, [0, 3, 8, 3]), max_length=8)
    assert windows.first.tolist() == [0]
    assert windows.length.tolist() == [8]
    assert windows.position.tolist() == [0, 3, 8, 3]


def test_long_histories_are_read_by_overlapping_windows():
    windows = windows_of(one_history(13, [8, 9, 10, 11, 13]), max_length=8)
    assert windows.first.tolist() == [0, 2, 4, 6]
    assert windows.length.tolist() == [8, 8, 7, 7]
    assert windows.window.tolist() == [0, 1, 1, 2, 3]
    assert windows.position.tolist() == [8, 7, 8, 7, 7]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=4), st.integers(4, 12), st.data())
def test_a_window_ends_where_its_prefix_ends_and_holds_most_of_max_length(lengths, max_length, data):
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = data.draw(
        st.lists(
            st.integers(0, len(lengths) - 1).flatmap(lambda one: st.tuples(st.just(one), st.integers(0, lengths[one])))
        )
    )
    history, length = (np.array([row[side] for row in rows], np.int64) for side in (0, 1))
    prefixes = Prefixes(np.arange(starts[-1]), starts, history, length)
    windows = windows_of(prefixes, max_length)
    ends = windows.first[windows.window] + windows.position
    assert ends.tolist() == (starts[history] + length).tolist()
    assert (windows.length <= max_length).all()
    whole = length <= max_length
    assert (windows.position[whole] == length[whole]).all()
    assert (windows.position[~whole] > 0.75 * max_length - 1).all()


def test_losses_by_hand():
    rows = Rows(one_history(3, [0, 2, 2]), np.array([2, 4, 1]), np.array([1, 0, 1], np.float32))
    model = counting()
    (batch,) = model.batches(rows, 100, np.random.default_rng(0))
    logits = np.array([7.2, 2.4, 1.1])  # the start with b; (1, 1) with d; (1, 1) with a
    losses = np.log1p(np.exp(-logits)) + np.array([0, 2.4, 0])
    assert model.loss(batch).item() == pytest.approx(losses.mean(), rel=1e-6)

    model = counting("cross-entropy")
    (batch,) = model.batches(rows, 100, np.random.default_rng(0))
    assert batch.label.tolist() == [1, 1]  # the disliked row is left out
    everything = np.array([[5.1, 7.2, 12.3, 10.4], [1.1, 1.2, 2.3, 2.4]])
    expected = np.log(np.exp(everything).sum(1)) - np.array([7.2, 1.1])
    assert model.loss(batch).item() == pytest.approx(expected.mean(), rel=1e-6)


def test_an_epoch_has_every_row_once():
    random = np.random.default_rng(0)
    history = random.integers(0, 5, 200)
    prefixes = Prefixes(np.ones(100, np.int64), np.arange(0, 101, 20), history, random.integers(0, 21, 200))
    rows = Rows(prefixes, np.arange(200), np.ones(200, np.float32))
    batches = list(counting().batches(rows, 30, random))
    assert len(batches) > 5
    assert sorted(torch.cat([batch.item for batch in batches]).tolist()) == list(range(200))


def test_training_reads_the_states_that_encode_gives(interactions):
    """For histories within max_length and beyond it."""
    catalogue = training_catalogue(interactions)
    rows = split_rows(interactions, catalogue, "train")
    texts = [[], [], ["a"], ["a"], ["b"], ["a", "c"]]
    torch.manual_seed(0)
    model = Counting(catalogue, SequenceSettings(dimension=3))
    nn.init.normal_(model.start)
    assert np.array_equal(model.vectors(rows.prefixes).detach().numpy(), model.encode(texts))
