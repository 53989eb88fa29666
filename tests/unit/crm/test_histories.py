import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorerec.core.errors import DataError
from scorerec.crm.histories import Catalogue, Rows, split_rows, training_catalogue, whole_histories


def contents(rows: Rows) -> list[list[int]]:
    prefixes = rows.prefixes
    starts = prefixes.starts[prefixes.history]
    return [
        prefixes.items[start : start + length].tolist() for start, length in zip(starts, prefixes.length, strict=True)
    ]


def test_the_catalogue_is_what_training_saw(interactions):
    assert training_catalogue(interactions).item_ids == ("a", "b", "c", "d")


def test_an_item_twice_in_a_catalogue_is_an_error():
    with pytest.raises(DataError, match="1 item ids occur twice"):
        Catalogue(["a", "a"])


def test_training_rows_read_the_positives_before_them(interactions):
    rows = split_rows(interactions, training_catalogue(interactions), "train")
    assert rows.item.tolist() == [1, 2, 2, 3, 1, 4]
    assert rows.label.tolist() == [1, 1, 0, 1, 1, 1]
    assert contents(rows) == [[], [], [1], [1], [2], [1, 3]]


def test_histories_hold_no_more_than_their_rows_read(interactions):
    rows = split_rows(interactions, training_catalogue(interactions), "train")
    assert rows.prefixes.items.tolist() == [1, 3, 2]  # ann's a, c; bob's b


def test_validation_rows_read_earlier_splits_and_skip_unknown_items(interactions):
    rows = split_rows(interactions, training_catalogue(interactions), "valid")
    assert rows.item.tolist() == [0, 2, 1, 4]
    assert contents(rows) == [[1, 3, 4], [1, 3, 4], [], [2, 1]]


def test_the_order_of_the_table_does_not_matter(interactions):
    catalogue = training_catalogue(interactions)
    turned = interactions.take(np.random.default_rng(0).permutation(interactions.num_rows))
    assert contents(split_rows(turned, catalogue, "valid")) == contents(split_rows(interactions, catalogue, "valid"))


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef"), st.integers(0, 1)), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_row_sees_itself_or_anything_later(make_interactions, events):
    rows = [(user, item, label, "train") for user, item, label in events]
    catalogue = Catalogue("abcdef")
    found = contents(split_rows(make_interactions(rows), catalogue, "train"))
    for number, (user, _, _) in enumerate(events):
        earlier = [item for who, item, label in events[:number] if who == user and label]
        assert found[number] == catalogue.numbers(earlier).tolist()


def test_a_count_beyond_the_table_is_an_error(interactions):
    cut = interactions.slice(1)  # ann's first positive is gone, her rows still count it
    with pytest.raises(DataError, match="row 10 has n_before = 5, and fewer"):
        split_rows(cut, training_catalogue(cut), "test")


def test_whole_histories_stand_once():
    prefixes = whole_histories([["a", "b"], [], ["z", "b"], ["a", "b"]], Catalogue(["a", "b"]))
    assert prefixes.items.tolist() == [1, 2, 2]
    assert prefixes.history.tolist() == [0, 1, 2, 0]
    assert prefixes.length.tolist() == [2, 0, 1, 2]


def test_no_histories():
    assert len(whole_histories([], Catalogue(["a"]))) == 0
