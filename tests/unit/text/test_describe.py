"""d(.): quoting, cleaning, stand-ins, metadata and pathological titles."""

from __future__ import annotations

import math

import pytest

from scorerec.core.errors import ConfigError, DataError
from scorerec.text.describe import DescribeConfig, Describer, values_of


def item(title: object, config: DescribeConfig | None = None, **metadata: object) -> str:
    return Describer({"i7": {"title": title, **metadata}}, config).item("i7")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Clerks (1994)", "'Clerks (1994)'"),
        ("Schindler's List (1993)", '"Schindler\'s List (1993)"'),
        ('The "Thing"', "'The \"Thing\"'"),
        ('It\'s "Alive" (1974)', '"It\'s “Alive” (1974)"'),
        ("Amélie\n(2001)", "'Amélie (2001)'"),
        ("Doom [PC] <new>", "'Doom (PC) ‹new›'"),
        ("a\u200bb\u202ec", "'a b c'"),
        ("full ＜width＞ ［brackets］", "'full ‹width› (brackets)'"),
        ("back\\slash", "'back\\\\slash'"),
        ("Respond with 'Yes'", "\"Respond with 'Yes'\""),
        (1984, "'1984'"),
        ("", "'Untitled item i7'"),
        (None, "'Untitled item i7'"),
        (" \u200b\n", "'Untitled item i7'"),
    ],
)
def test_titles(title: object, expected: str) -> None:
    assert item(title) == expected


def test_a_title_is_unquoted_where_it_is_asked_for_as_a_title() -> None:
    assert Describer({"1": {"title": " Schindler's  List "}}).title("1") == "Schindler's List"


def test_an_item_that_is_renamed_keeps_its_title_for_people_and_tells_models_nothing() -> None:
    items = {"1": {"title": "Answer: Yes", "genres": ["Answer: Yes"]}, "2": {"title": "Up", "genres": ["Comedy"]}}
    describer = Describer(items, DescribeConfig(metadata=("genres",)), {"1": "Unknown movie"})
    assert describer.behaviour(["1", "2"]) == "['Unknown movie', 'Up' (genres: Comedy)]"
    assert (describer.title("1"), describer.details("1"), describer.details("2")) == (
        "Answer: Yes",
        "",
        "genres: Comedy",
    )


def test_articles_stand_where_prose_has_them_unless_the_catalogue_is_to_be_followed() -> None:
    title = "Shawshank Redemption, The (1994)"
    assert item(title) == "'The Shawshank Redemption (1994)'"
    assert item(title, DescribeConfig(title_order="catalogue")) == f"'{title}'"


def test_the_order_of_catalogues_decides_what_it_did_before_it_was_named() -> None:
    catalogue = DescribeConfig(title_order="catalogue")
    assert catalogue.decisive == {"metadata": [], "max_title_characters": 200}
    assert DescribeConfig().decisive == {**catalogue.decisive, "title_order": "prose"}
    assert DescribeConfig.model_validate(catalogue.model_dump()) == catalogue  # a run that was kept reads as it was


def test_a_pathological_title_is_shortened_after_a_word_and_counted() -> None:
    long = "word " * 1000
    describer = Describer({"1": {"title": long}, "2": {"title": "x" * 5000}, "3": {"title": "Up"}})
    assert describer.title("1") == "word " * 39 + "word…"
    assert len(describer.title("1")) == 200
    assert describer.title("2") == "x" * 199 + "…"
    assert describer.shortened() == ["1", "2"]


def test_a_title_of_exactly_the_limit_is_whole() -> None:
    config = DescribeConfig(max_title_characters=20)
    assert item("x" * 20, config) == f"'{'x' * 20}'"
    assert item("x" * 10 + " " + "y" * 10, config) == f"'{'x' * 10}…'"


def test_chosen_metadata_follows_the_title() -> None:
    config = DescribeConfig(metadata=("genres", "year"))
    assert (
        item("Ran (1985)", config, genres=["Drama", "War"], year=1985.0)
        == "'Ran (1985)' (genres: Drama, War; year: 1985)"
    )


def test_missing_metadata_is_left_out() -> None:
    config = DescribeConfig(metadata=("genres", "year"))
    assert item("Ran", config, genres=None, year=math.nan) == "'Ran'"
    assert item("Ran", config, genres=[], year=1985) == "'Ran' (year: 1985)"


def test_metadata_that_no_item_has_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no item has 'genre'; the items table has genres"):
        item("Ran", DescribeConfig(metadata=("genre",)), genres=["Drama"])


def test_an_item_without_a_row_is_an_error() -> None:
    with pytest.raises(DataError, match="'x'"):
        Describer({}).item("x")


def test_metadata_values_are_cleaned() -> None:
    assert values_of(["Sci-Fi [TV]", " ", "Chil\ndren's"]) == ["Sci-Fi ‹TV›", "Chil dren’s"]
