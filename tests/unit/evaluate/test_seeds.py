"""Several seeds, by hand, and against what is known of resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from scorerec.core.errors import DataError
from scorerec.evaluate.seeds import Seeded, difference, spread


def seeded(values: dict[int, float], draws: dict[int, list[float]], rows: str = "rows") -> Seeded:
    arrays = {seed: np.array(entry, float) for seed, entry in draws.items()}
    return Seeded(rows, {"auc": values}, {"auc": arrays})


def normal(mean: float, deviation: float, seed: int, n: int = 4000) -> list[float]:
    return list(np.random.default_rng(seed).normal(mean, deviation, n))


def test_mean_deviation_and_interval_of_one_and_of_several_seeds() -> None:
    one = spread(seeded({0: 0.7}, {0: [0.6, 0.7, 0.8]}), "auc")
    assert one is not None
    assert (one.mean, one.deviation) == (0.7, None)
    assert one.interval is not None
    assert one.interval.low == pytest.approx(0.7 - 1.959964 * 0.1)  # the deviation of the draws is 0.1
    two = spread(seeded({0: 0.6, 1: 0.8}, {0: [0.6] * 400, 1: [0.8] * 400}), "auc")
    assert two is not None
    assert (two.mean, two.deviation) == (pytest.approx(0.7), pytest.approx(0.02**0.5))
    assert two.interval is not None
    assert two.interval.high == pytest.approx(0.7 + 12.7062 * 0.1)  # t of one degree of freedom; 0.1^2 = 0.02 / 2


def test_users_and_seeds_add_up_and_degrees_of_freedom_are_satterthwaites() -> None:
    draws = normal(0.0, 0.03, 5)
    values = {0: -0.02, 1: 0.0, 2: 0.02}
    found = difference(
        seeded(values, dict.fromkeys(values, draws)),
        seeded(dict.fromkeys(values, 0.0), dict.fromkeys(values, [0.0] * 4000)),
        "auc",
    )
    of_users, of_seeds = np.var(draws, ddof=1), 0.0004 / 3
    freedom = 2 * ((of_users + of_seeds) / of_seeds) ** 2
    assert found is not None
    assert found.interval is not None
    expected = student.ppf(0.975, freedom) * (of_users + of_seeds) ** 0.5
    assert found.interval.high == pytest.approx(expected)


def test_what_is_detectable_is_found_four_times_in_five() -> None:
    """Three seeds and no other error: t of two degrees of freedom, simulated."""
    values = {0: -0.01, 1: 0.0, 2: 0.01}
    found = difference(
        seeded(values, dict.fromkeys(values, [0.0] * 9)),
        seeded(dict.fromkeys(values, 0.0), dict.fromkeys(values, [0.0] * 9)),
        "auc",
    )
    assert found is not None
    true = found.detectable / (0.01 / 3**0.5)  # in standard errors of a mean of three
    rng = np.random.default_rng(0)
    drawn = rng.normal(true / 3**0.5, 1.0, size=(40_000, 3))  # deviation 1: the error of the mean is 1 / sqrt(3)
    t_values = drawn.mean(1) / (drawn.std(1, ddof=1) / 3**0.5)
    assert np.mean(t_values > student.ppf(0.975, 2)) == pytest.approx(0.8, abs=0.01)


@given(shift=st.floats(-0.1, 0.1), seeds=st.integers(1, 4))
def test_an_interval_holds_zero_exactly_where_p_is_above_five_percent(shift: float, seeds: int) -> None:
    values = {seed: shift + 0.01 * (-1) ** seed for seed in range(seeds)}
    nothing = seeded(dict.fromkeys(values, 0.0), dict.fromkeys(values, [0.0] * 500))
    found = difference(seeded(values, {seed: normal(shift, 0.01, seed, 500) for seed in values}), nothing, "auc")
    assert found is not None
    assert found.interval is not None
    assert (found.interval.low <= 0 <= found.interval.high) == (found.p_value >= 0.05)


def test_a_difference_is_paired_by_seed_and_draw() -> None:
    base = {seed: normal(0.7, 0.02, seed) for seed in (0, 1)}
    better = {seed: [value + 0.01 for value in entry] for seed, entry in base.items()}
    found = difference(seeded({0: 0.71, 1: 0.71}, better), seeded({0: 0.70, 1: 0.70}, base), "auc")
    assert found is not None
    assert found.value == pytest.approx(0.01)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (pytest.approx(0.01), pytest.approx(0.01))
    assert found.p_value < 1e-6
    assert found.n_seeds == 2


def test_p_value_and_smallest_detectable_difference_are_those_of_the_normal() -> None:
    nothing = seeded({0: 0.0}, {0: [0.0] * 4000})
    found = difference(seeded({0: 0.02}, {0: normal(0.02, 0.01, 0)}), nothing, "auc")
    assert found is not None
    assert found.p_value == pytest.approx(0.0455, abs=0.004)  # two standard errors
    assert found.detectable == pytest.approx(0.028, rel=0.03)
    same = difference(nothing, nothing, "auc")
    assert same is not None
    assert (same.value, same.p_value) == (0.0, 1.0)


def test_only_seeds_that_both_have_are_compared() -> None:
    one = seeded({0: 0.6, 1: 0.9}, {0: [0.6] * 9, 1: [0.9] * 9})
    other = seeded({1: 0.8, 2: 0.1}, {1: [0.8] * 9, 2: [0.1] * 9})
    found = difference(one, other, "auc")
    assert found is not None
    assert (found.value, found.n_seeds) == (pytest.approx(0.1), 1)
    assert difference(one, seeded({7: 0.5}, {7: [0.5]}), "auc") is None


def test_what_cannot_be_measured_is_none_and_other_rows_are_an_error() -> None:
    undrawn = seeded({0: 0.6}, {0: [float("nan")] * 3})
    assert difference(undrawn, seeded({0: 0.5}, {0: [float("nan")] * 3}), "auc") is None
    missing = seeded({0: float("nan")}, {0: [float("nan")] * 3})
    assert spread(missing, "auc") is None
    assert difference(missing, missing, "auc") is None
    with pytest.raises(DataError, match="measured on different rows"):
        difference(seeded({0: 0.5}, {0: [0.5]}), seeded({0: 0.5}, {0: [0.5]}, "others"), "auc")
