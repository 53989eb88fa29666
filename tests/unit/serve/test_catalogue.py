"""Items are found by words of their titles, and chosen by what else is known of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from scorerec.serve.catalogue import ItemList, NotThereError

ITEMS = pa.table(
    {
        "item_id": ["1", "2", "3", "4"],
        "title": ["Heat (1995)", "The Wheat Field (1990)", "Crying of Heat, The (1995)", "Müller's Büro (1986)"],
        "year": pa.array([1995, 1990, None, 1986], pa.int32()),
        "genres": [["Drama"], ["Drama", "War"], [], None],
    }
)


@pytest.fixture
def items() -> ItemList:
    return ItemList(ITEMS, {"3": 9, "1": 2})


def test_words_may_be_begun_and_the_more_popular_item_comes_first(items: ItemList) -> None:
    assert items.search("heat", 5) == ["3", "1"]
    assert items.search("heat 1995 cry", 5) == ["3"]
    assert items.search("HEAT", 1) == ["3"]
    assert items.search("müll", 5) == ["4"]
    assert items.search("eat", 5) == items.search(" .,' ", 5) == []


def test_filters_choose(items: ItemList) -> None:
    assert items.chosen({}) is None
    assert items.chosen({"genres": "Drama"}) == {"1", "2"}
    assert items.chosen({"genres": ["War", "Comedy"]}) == {"2"}
    assert items.chosen({"year": 1995}) == {"1"}
    assert items.chosen({"year": {"min": 1990, "max": None}}) == {"1", "2"}
    assert items.chosen({"year": {"max": 1990}, "genres": "Drama"}) == {"2"}
    with pytest.raises(NotThereError, match="items have no 'colour'; they have year, genres") as told:
        items.chosen({"colour": "red"})
    assert told.value.field == "filters.colour"
    with pytest.raises(NotThereError, match="'genres' holds no numbers"):
        items.chosen({"genres": {"min": 1}})


def test_unknown_items_are_named(items: ItemList) -> None:
    items.require(["1", "4"], "items")
    with pytest.raises(NotThereError, match="no item '7', '8' in the catalogue of 4 items") as told:
        items.require(["1", "7", "8"], "history")
    assert told.value.field == "history"
