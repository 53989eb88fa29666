import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.core.errors import ConfigError
from scorerec.nn.batching import batches_by_length, pad

LENGTHS = st.lists(st.integers(0, 50), max_size=60)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 120), st.none() | st.integers(0, 3))
def test_every_sequence_is_in_one_batch_and_limits_hold(lengths, batch_size, max_tokens, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    batches = batches_by_length(lengths, batch_size=batch_size, max_tokens_per_batch=max_tokens, rng=rng)
    assert sorted(np.concatenate([*batches, np.zeros(0, int)]).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert 0 < len(batch) <= batch_size
        padded = len(batch) * max(lengths[index] for index in batch)
        assert padded <= max_tokens or len(batch) == 1


def test_without_rng_the_shortest_go_first_and_equals_keep_their_order():
    assert [batch.tolist() for batch in batches_by_length([3, 1, 3, 2], batch_size=3)] == [[1, 3, 0], [2]]


def test_the_same_seed_gives_the_same_batches_and_another_seed_others():
    lengths = np.random.default_rng(0).integers(1, 100, 200)

    def drawn(seed: int) -> list[list[int]]:
        rng = np.random.default_rng(seed)
        return [batch.tolist() for batch in batches_by_length(lengths, batch_size=8, rng=rng)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert {frozenset(batch) for batch in drawn(1)} != {frozenset(batch) for batch in drawn(2)}


def test_random_batches_still_hold_similar_lengths():
    lengths = np.arange(1, 1001)
    batches = batches_by_length(lengths, batch_size=10, rng=np.random.default_rng(0))
    assert sum(lengths[batch].max() * len(batch) for batch in batches) < 1.15 * lengths.sum()


@pytest.mark.parametrize("limits", [{}, {"batch_size": 0}, {"batch_size": 4, "max_tokens_per_batch": 0}])
def test_a_limit_is_needed(limits):
    with pytest.raises(ConfigError, match="at least 1"):
        batches_by_length([1, 2], **limits)


@pytest.mark.parametrize(
    ("side", "tokens", "mask"),
    [
        ("right", [[1, 2, 3], [4, 9, 9], [9, 9, 9]], [[1, 1, 1], [1, 0, 0], [0, 0, 0]]),
        ("left", [[1, 2, 3], [9, 9, 4], [9, 9, 9]], [[1, 1, 1], [0, 0, 1], [0, 0, 0]]),
    ],
)
def test_padding(side, tokens, mask):
    padded = pad([[1, 2, 3], np.array([4]), []], value=9, side=side)
    assert padded.tokens.tolist() == tokens
    assert padded.mask.astype(int).tolist() == mask
    assert padded.tokens.dtype == np.int64


@pytest.mark.parametrize("sequences", [[], [[]], [[], []]])
def test_padding_of_nothing(sequences):
    assert pad(sequences).tokens.shape == (len(sequences), 0)
