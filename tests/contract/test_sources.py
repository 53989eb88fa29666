"""Every data source keeps the same promises, whatever its files look like."""

from __future__ import annotations

import re
from typing import Any, get_args

import polars as pl
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import INTERACTIONS, ITEMS
from scorerec.data.prepare import DataConfig, prepare
from scorerec.data.raw import RawTables
from scorerec.data.sources import SourceConfig

RATINGS_SCHEMA = {
    "position": pl.UInt32,
    "user_id": pl.String,
    "item_id": pl.String,
    "rating": pl.Float32,
    "label": pl.Int8,
    "timestamp": pl.Int64,
}


def test_every_source_is_here(cases: list[Any]) -> None:
    union, _ = get_args(SourceConfig)
    names = {source.model_fields["name"].default for source in get_args(union)}
    assert names == {case.name for case in cases}


def test_columns_are_of_their_types(written: Any) -> None:
    raw = written.read()
    assert dict(raw.ratings.schema) == RATINGS_SCHEMA
    assert raw.items.columns[:2] == ["item_id", "title"]
    assert [raw.items.schema[name] for name in ("item_id", "title")] == [pl.String, pl.String]


def test_ids_are_text_as_the_file_has_it(in_files: Any) -> None:
    raw = in_files.read()
    assert raw.ratings["user_id"].to_list() == [row[0] for row in in_files.rows]
    assert raw.ratings["item_id"].to_list() == [row[1] for row in in_files.rows]
    assert raw.items["item_id"].to_list() == [item for item, _ in in_files.titles]


def test_rows_keep_the_order_of_the_file(written: Any) -> None:
    ratings = written.read().ratings
    assert ratings["position"].to_list() == list(range(ratings.height))
    if written.case.files:
        assert ratings.select("rating", "timestamp").rows() == [(row[2], row[3]) for row in written.rows]


def test_titles_survive(in_files: Any) -> None:
    items = in_files.read().items
    assert tuple(items.select("item_id", "title").iter_rows()) == in_files.titles


def test_files_are_what_is_read(written: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    listed = written.config.files()
    assert [path.name for path in listed] == list(written.case.files)
    alone = tmp_path_factory.mktemp("alone")
    for path in listed:
        (alone / path.name).write_bytes(path.read_bytes())
    assert same(written.elsewhere(alone).read(), written.read())


def test_reading_twice_gives_the_same(written: Any) -> None:
    assert same(written.read(), written.read())


def same(one: RawTables, other: RawTables) -> bool:
    return one.ratings.equals(other.ratings) and one.items.equals(other.items)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("fault", ["missing", "empty"])
def test_a_missing_or_empty_file_is_named(in_files: Any, place: int, fault: str) -> None:
    path = in_files.files[place]
    path.unlink()
    if fault == "empty":
        path.touch()
    # Where the name is the user's choice and the file is gone, its ending is all that can be named.
    for attempt in (in_files.config.files, in_files.read, lambda: prepare(in_files.config)):
        with pytest.raises(DataError, match=re.escape(path.suffix)) as caught:
            attempt()
        assert str(in_files.folder) in str(caught.value)


def test_a_folder_that_is_not_there_is_named(in_files: Any) -> None:
    with pytest.raises(DataError, match="elsewhere"):
        in_files.elsewhere(in_files.folder / "elsewhere").read()


def test_it_can_be_prepared(written: Any) -> None:
    raw, prepared = written.read(), prepare(written.config)
    interactions, items = INTERACTIONS.check(prepared.interactions), ITEMS.check(prepared.items)
    assert interactions.num_rows == raw.ratings.height
    assert items["item_id"].to_pylist() == raw.items["item_id"].to_list()
    assert set(interactions["item_id"].to_pylist()) <= set(items["item_id"].to_pylist())
    ordered = raw.ratings.sort("timestamp", "position")
    for name in ("user_id", "item_id", "rating", "timestamp"):
        assert interactions[name].to_pylist() == ordered[name].to_list()
    assert prepared.notes["source"] == written.case.name


def test_its_settings_survive_the_record_of_a_run(written: Any) -> None:
    config = written.config
    assert DataConfig.model_validate_json(config.model_dump_json()) == config
