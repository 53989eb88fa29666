from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.core.errors import ModelError
from scorerec.core.tables import BEHAVIOURS, NEIGHBOURS
from scorerec.retrieve import quality
from scorerec.retrieve.quality import neighbour_quality, require_signal


def behaviours(**lists):
    rows = [
        {"behaviour_id": name, "user_id": name, "valid_from": 0, "valid_to": 9, "item_ids": list(items)}
        for name, items in lists.items()
    ]
    return BEHAVIOURS.check(pa.Table.from_pylist(rows, BEHAVIOURS.columns))


def neighbours(**found):
    rows = [
        {"behaviour_id": name, "rank": rank, "neighbour_id": other, "similarity": 0.5}
        for name, others in found.items()
        for rank, other in enumerate(others, start=1)
    ]
    return NEIGHBOURS.check(pa.Table.from_pylist(rows, NEIGHBOURS.columns))


TWINS = behaviours(a="xy", b="yxx", c="zw", d="wz")  # b's x twice counts once


def test_twins_share_everything_and_random_users_a_third():
    """Of three others one is the twin."""
    found = neighbour_quality(neighbours(a="b", b="a", c="d", d="c"), TWINS)
    assert found == (pytest.approx(1.0), pytest.approx(1 / 3), pytest.approx(2 / 3), pytest.approx(2 / 3), 1.0, 1, 4)
    assert not found.is_random
    assert found.warnings("SASRec") == []


def test_neighbours_that_are_worse_than_random_ones_are_random():
    found = neighbour_quality(neighbours(a="c", b="d", c="a", d="b"), TWINS)
    assert (found.jaccard, found.low, found.high) == (0.0, pytest.approx(-1 / 3), pytest.approx(-1 / 3))
    assert found.is_random
    (warning,) = found.warnings("SASRec")
    assert "THE USERS THAT SASRec FINDS ALIKE ARE RANDOM ONES" in warning
    assert "Jaccard 0.0000, random users 0.3333" in warning
    assert "-0.3333 to -0.3333" in warning


def test_jaccard_and_its_interval_by_hand():
    """{x, y}, {y, z}, {z, w}: 1/3, 1/3 and 0 with the neighbour; 1/6, 1/3 and 1/6 with anybody."""
    found = neighbour_quality(neighbours(a="b", b="c", c="a"), behaviours(a="xy", b="yz", c="zw"))
    assert found.jaccard == pytest.approx(2 / 9)
    assert found.random_jaccard == pytest.approx(2 / 9)
    half = 1.96 * (1 / 6) / np.sqrt(3)  # the gaps are 1/6, 0 and -1/6
    assert (found.low, found.high) == (pytest.approx(-half), pytest.approx(half))
    assert found.is_random


def test_several_neighbours_are_averaged():
    found = neighbour_quality(neighbours(a="bc", b="ac", c="da", d="ca"), TWINS)
    assert found.jaccard == pytest.approx(0.5)  # one of the two is the twin
    assert found.low == pytest.approx(0.5 - 1 / 3)


def test_everybodys_neighbour_is_seen():
    """a is the neighbour of b, c and d; c and d of nobody."""
    found = neighbour_quality(neighbours(a="b", b="a", c="a", d="a"), TWINS)
    assert found.found_share == 0.5
    assert found.largest_in_degree == 3


def test_some_anchors_are_compared_and_all_in_degrees_counted(monkeypatch):
    monkeypatch.setattr(quality, "_MOST_ANCHORS", 2)
    found = neighbour_quality(neighbours(a="b", b="a", c="a", d="c"), TWINS)
    assert found.n_anchors == 2  # the first and the last
    assert found.jaccard == pytest.approx(1.0)
    assert (found.found_share, found.largest_in_degree) == (0.75, 2)


def test_anchors_that_have_no_neighbour_are_not_compared():
    found = neighbour_quality(neighbours(c="d"), TWINS)
    assert (found.n_anchors, found.jaccard, found.random_jaccard) == (1, 1.0, pytest.approx(1 / 3))
    assert found.is_random  # of one anchor nothing can be told
    assert found.low == -np.inf


@given(st.permutations("abcd"), st.lists(st.sampled_from("abcd"), min_size=4, max_size=4))
def test_the_order_of_behaviours_changes_nothing_and_random_users_depend_on_no_neighbour(order, others):
    known = {"a": "xy", "b": "yz", "c": "zwx", "d": "w"}
    pairs = {name: other for name, other in zip("abcd", others, strict=True) if name != other}
    if not pairs:
        return
    found = neighbour_quality(neighbours(**pairs), behaviours(**known))
    again = neighbour_quality(neighbours(**pairs), behaviours(**{name: known[name] for name in order}))
    assert found == pytest.approx(again)
    if len(pairs) == 4:
        assert found.random_jaccard == pytest.approx((1 / 3 + 1 / 4 + 0 + 1 / 4 + 0 + 1 / 3) * 2 / 12)


def test_noise_is_refused_with_the_remedy():
    with pytest.raises(ModelError) as refused:
        require_signal(["one thing", "another"], forced=False)
    message = str(refused.value)
    assert message.startswith("Eq. 4: one thing; another.")
    for remedy in ("crm.recipe=ranking", "crm.model", "evidence.force=true"):
        assert remedy in message


def test_noise_can_be_forced_and_a_signal_passes():
    require_signal(["one thing"], forced=True)
    require_signal([], forced=False)
