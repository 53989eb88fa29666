from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scorerec.core.errors import DataError
from scorerec.core.tables import BEHAVIOURS
from scorerec.retrieve import item_sets
from scorerec.retrieve.item_sets import ItemSets, blended


def behaviours(*lists):
    rows = [
        {"behaviour_id": f"b{number}", "user_id": f"u{number}", "valid_from": 0, "valid_to": 9, "item_ids": list(items)}
        for number, items in enumerate(lists)
    ]
    return BEHAVIOURS.check(pa.Table.from_pylist(rows, BEHAVIOURS.columns))


def test_inner_products_are_cosines_of_sets():
    """{x, y}, {y, z, w}, nothing known, {x, y} with an item that no behaviour holds and one twice."""
    sets = ItemSets(behaviours("xy", "yzw"))
    vectors = sets.vectors(["xy", "yzw", ["elsewhere"], ["y", "x", "y", "elsewhere"], []])
    assert vectors.shape == (5, 4)
    assert vectors.dtype == np.float32
    cosine = 1 / np.sqrt(2 * 3)
    expected = np.array(
        [
            [1, cosine, 0, 1, 0],
            [cosine, 1, 0, cosine, 0],
            [0, 0, 0, 0, 0],
            [1, cosine, 0, 1, 0],
            [0, 0, 0, 0, 0],
        ]
    )
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-6)


lists = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=9), min_size=1, max_size=5)


@given(lists)
def test_order_and_repeats_do_not_count(items):
    sets = ItemSets(behaviours(*items))
    vectors = sets.vectors(items)
    np.testing.assert_array_equal(vectors, sets.vectors([sorted(set(ids), reverse=True) for ids in items]))
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, [bool(ids) for ids in items], atol=1e-6)


def test_too_many_values_are_refused(monkeypatch):
    sets = ItemSets(behaviours("xyz"))
    monkeypatch.setattr(item_sets, "MOST_VALUES", 6)
    assert sets.fits(2)
    assert not sets.fits(3)
    assert sets.vectors(["x", "y"]).shape == (2, 3)
    with pytest.raises(DataError, match=r"3 users and 3 items are too many.*evidence\.item_sets=0"):
        sets.vectors(["x", "y", "z"])


def test_blended_by_hand():
    """0.75 of the first inner product, 2, and 0.25 of the second, 12."""
    left = blended(np.array([[2, 0]], np.float32), np.array([[3]], np.float32), 0.25)
    right = blended(np.array([[1, 7]], np.float32), np.array([[4]], np.float32), 0.25)
    assert left.shape == (1, 3)
    assert float((left @ right.T)[0, 0]) == pytest.approx(0.75 * 2 + 0.25 * 12)


@given(
    arrays(np.float32, (3, 2), elements=st.integers(-5, 5)),
    arrays(np.float32, (3, 4), elements=st.integers(-5, 5)),
    st.floats(0, 1),
)
def test_inner_products_are_mixed(first, second, share):
    found = blended(first, second, share)
    expected = (1 - share) * (first @ first.T) + share * (second @ second.T)
    np.testing.assert_allclose(found @ found.T, expected, atol=1e-3)
