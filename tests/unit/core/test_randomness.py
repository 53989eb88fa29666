"""Streams depend on their purpose alone."""

from scorerec.core.randomness import derived_seed, generator


def test_streams_of_different_purposes_differ_and_of_the_same_agree():
    assert generator(0, "a", 1).integers(1 << 60) == generator(0, "a", 1).integers(1 << 60)
    assert len({derived_seed(0, "a", 1), derived_seed(0, "a", 2), derived_seed(1, "a", 1), derived_seed(0, "a1")}) == 4


def test_seeds_fit_a_signed_64_bit_integer():
    assert all(0 <= derived_seed(seed, "x") < 2**63 for seed in range(100))
