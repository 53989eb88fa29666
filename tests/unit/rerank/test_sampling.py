import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from scorerec.core.tables import RANKINGS
from scorerec.rerank.sampling import read_rankings, sample_groups

TEN = tuple(f"b{rank}" for rank in range(1, 11))


def test_the_papers_numbers_positive_first_negatives_from_six_to_ten():
    rankings = {f"t{number}": TEN for number in range(200)}
    groups, too_short = sample_groups(rankings, shift=5, n_negatives=3, seed=0)
    assert too_short == []
    assert {group.positive for group in groups} == {"b1"}
    assert {name for group in groups for name in group.negatives} == set(TEN[5:])
    assert all(len(set(group.negatives)) == 3 for group in groups)
    assert len({group.negatives for group in groups}) == 10  # every choice of 3 out of 5 comes up


def test_short_rankings_are_left_out_and_counted():
    rankings = {"long": TEN[:8], "short": TEN[:7], "one": TEN[:1]}
    sampled = sample_groups(rankings, shift=5, n_negatives=3, seed=0)
    assert [group.target_id for group in sampled.groups] == ["long"]
    assert sampled.groups[0].negatives == ("b6", "b7", "b8")
    assert sampled.too_short == ["short", "one"]


@given(st.permutations(["t1", "t2", "t3", "t4"]), st.integers(1, 4))
def test_neither_order_nor_other_targets_matter(order, count):
    everything = dict(zip(["t1", "t2", "t3", "t4"], [TEN] * 4, strict=True))
    expected = {group.target_id: group for group in sample_groups(everything, 5, 3, seed=7).groups}
    for group in sample_groups(dict.fromkeys(order[:count], TEN), 5, 3, seed=7).groups:
        assert group == expected[group.target_id]


def test_the_seed_matters():
    rankings = {f"t{number}": TEN for number in range(20)}
    assert sample_groups(rankings, 5, 3, seed=0) != sample_groups(rankings, 5, 3, seed=1)


def test_rankings_are_read_by_rank():
    table = pa.table([["t", "t", "a"], [2, 1, 1], ["x", "y", "z"], [0.1, 0.9, 0.5]], schema=RANKINGS.columns)
    assert read_rankings(table) == {"a": ("z",), "t": ("y", "x")}
