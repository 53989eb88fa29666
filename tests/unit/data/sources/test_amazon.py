"""Published Amazon files: what titles and brands hold, which files are meant, and every kind of bad line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorerec.core.errors import DataError, ScorerecError
from scorerec.data.prepare import DataConfig, prepare, prepare_raw
from scorerec.data.raw import RawTables
from scorerec.data.sources.amazon import AmazonReviews2018

REVIEW = {
    "overall": 5.0,
    "verified": True,
    "reviewTime": "06 17, 2018",
    "reviewerID": "A31UBHTUUIFJUT",
    "asin": "B004LLIKVU",
    "style": {"Platform:": " PC"},
    "reviewText": 'Another great one.\u2028It has "quotes".',
    "unixReviewTime": 1_529_193_600,
}
ITEM = {"asin": "B004LLIKVU", "title": "Halo", "brand": "Microsoft", "category": ["Video Games", "PC"]}


def lines(records: Iterable[Any]) -> bytes:
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()


def written(folder: Path, reviews: bytes = lines([REVIEW]), metadata: bytes = lines([ITEM])) -> Path:
    (folder / "Video_Games_5.json.gz").write_bytes(gzip.compress(reviews))
    (folder / "meta_Video_Games.json.gz").write_bytes(gzip.compress(metadata))
    return folder


def read(folder: Path, **settings: Any) -> RawTables:
    return AmazonReviews2018.model_validate(settings).read(folder)


def item(folder: Path, **values: Any) -> dict[str, Any]:
    return read(written(folder, metadata=lines([{**ITEM, **values}]))).items.row(0, named=True)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        action()
    return str(caught.value)


def test_a_review_and_its_item(tmp_path: Path) -> None:
    raw = read(written(tmp_path))
    assert raw.ratings.rows() == [(0, "A31UBHTUUIFJUT", "B004LLIKVU", 5.0, None, 1_529_193_600)]
    assert raw.items.rows() == [("B004LLIKVU", "Halo", "Microsoft", ["Video Games", "PC"])]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("  Maggiano&#39;s &amp; Co  ", "Maggiano's & Co"),
        ("Halo <span class='x'>2</span>\n  (PC)", "Halo 2 (PC)"),
        ("<script>if (a<b) {}</script>Halo", "Halo"),
        ("I <3 this & that; 4 < 5 > 3", "I <3 this & that; 4 < 5 > 3"),
        ("5 &lt;stars&gt;", "5 <stars>"),
        ("var aPageStart = (new Date()).getTime();\nvar ue_t0=ue_t0||+new Date();", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_titles_are_read_as_a_page_shows_them(tmp_path: Path, title: str | None, expected: str) -> None:
    assert item(tmp_path, title=title)["title"] == expected


def test_a_record_without_a_title_has_an_empty_one(tmp_path: Path) -> None:
    metadata = lines([{"asin": "1"}])
    assert read(written(tmp_path, metadata=metadata)).items.rows() == [("1", "", "", [])]


def test_brands_lose_their_by(tmp_path: Path) -> None:
    assert item(tmp_path, brand="by\n    \n    Nintendo")["brand"] == "Nintendo"


def test_categories_end_where_a_page_begins(tmp_path: Path) -> None:
    categories = ["Video Games", "Video Games", "PC &amp; Mac", "</span></span></span>", "Runs on any machine"]
    assert item(tmp_path, category=categories)["categories"] == ["Video Games", "PC & Mac"]


def test_python_dictionaries_of_older_editions(tmp_path: Path) -> None:
    entries = [
        {"asin": "1", "title": 'Tom\'s "Game"', "categories": [["Video Games", "PC"], ["Video Games", "Mac"]]},
        {"asin": "2", "description": "None of \\d", "brand": None},
    ]
    metadata = "".join(f"{entry!r}\n" for entry in entries).replace("\\\\d", "\\d")
    assert read(written(tmp_path, metadata=metadata.encode())).items.rows() == [
        ("1", 'Tom\'s "Game"', "", ["Video Games", "PC", "Mac"]),
        ("2", "", "", []),
    ]


def test_python_code_is_read_and_never_run(tmp_path: Path) -> None:
    metadata = f"{ITEM!r}\n{{'asin': __import__('os').getcwd()}}\n".encode()
    message = refusal(lambda: read(written(tmp_path, metadata=metadata)))
    assert message.startswith(f"{tmp_path / 'meta_Video_Games.json.gz'}, row 2: wanted a Python dictionary")


@pytest.mark.parametrize("first", ["item", "user"])
def test_ratings_alone(tmp_path: Path, first: str) -> None:
    ids = ("B004LLIKVU", "A31U") if first == "item" else ("A31U", "B004LLIKVU")
    (tmp_path / "Video_Games.csv").write_text(f"{','.join(ids)},4.0,1529193600\n", encoding="utf-8")
    (tmp_path / "meta_Video_Games.json.gz").write_bytes(gzip.compress(lines([ITEM])))
    raw = read(tmp_path, ratings_begin_with=first)
    assert raw.ratings.rows() == [(0, "A31U", "B004LLIKVU", 4.0, None, 1_529_193_600)]
    other = {"item": "user", "user": "item"}[first]
    message = refusal(lambda: read(tmp_path, ratings_begin_with=other))
    assert message.endswith(f'set data.source.ratings_begin_with = "{first}"')


def test_ratings_of_another_format_are_refused(tmp_path: Path) -> None:
    (tmp_path / "Video_Games.csv").write_text("B004LLIKVU,A31U,4.0\n", encoding="utf-8")
    (tmp_path / "meta_Video_Games.json.gz").write_bytes(gzip.compress(lines([ITEM])))
    message = refusal(lambda: read(tmp_path))
    assert "Video_Games.csv, row 1: wanted 4 fields (item_id, user_id, rating, timestamp), found 3" in message


def test_of_several_files_one_must_be_named(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "Video_Games.csv").write_text("B004LLIKVU,A31U,4.0,1529193600\n", encoding="utf-8")
    message = refusal(lambda: read(tmp_path))
    assert "found Video_Games.csv, Video_Games_5.json.gz; name one in data.source.reviews" in message
    assert read(tmp_path, reviews="Video_Games.csv").ratings["user_id"].to_list() == ["A31U"]


def test_without_a_folder_it_says_where_the_files_are() -> None:
    with pytest.raises(DataError, match=r"no folder given; set data.path to a folder .* https://nijianmo"):
        AmazonReviews2018().read(None)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in REVIEW.items() if name != key}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"overall": 5.0, "asin', 'wanted a JSON object, found \'{"overall": 5.0, "asin\' (Unterminated string'),
        (b"", "wanted a JSON object, found '' (Expecting value)"),
        (b"[1, 2]", "wanted a JSON object, found '[1, 2]'; correct or remove the line"),
        (repr(REVIEW).encode(), "wanted a JSON object, found"),
        (b'{"summary": "caf\xe9"}', "wanted text in UTF-8, found the byte 0xe9; correct the file, save it as UTF-8"),
        (lines([without("asin")]).strip(), "no key 'asin'; the record has ['overall', 'verified'"),
        (lines([without("overall")]).strip(), "no key 'overall'"),
        (lines([{**REVIEW, "overall": "good"}]).strip(), "rating cannot be read: 'good'; correct or remove the row"),
        (lines([{**REVIEW, "overall": float("nan")}]).strip(), "rating cannot be read: 'nan'"),
        (lines([{**REVIEW, "overall": [5]}]).strip(), "wanted text or a number for 'overall', found [5]"),
        (lines([{**REVIEW, "reviewerID": None}]).strip(), "user_id is empty; correct or remove the row"),
        (lines([{**REVIEW, "asin": "\ud800"}]).strip(), "'asin' holds half of a surrogate pair"),
        (lines([{**REVIEW, "unixReviewTime": "soon"}]).strip(), "timestamp cannot be read: 'soon'"),
    ],
)
def test_a_bad_review_is_named_with_its_row(tmp_path: Path, line: bytes, fault: str) -> None:
    reviews = lines([REVIEW]) + line + b"\n" + lines([REVIEW])
    message = refusal(lambda: read(written(tmp_path, reviews)))
    assert message.startswith(f"{tmp_path / 'Video_Games_5.json.gz'}, row 2: {fault}")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"category": "Video Games"}, "wanted a list of texts for 'category', found 'Video Games'"),
        ({"category": ["PC", 3]}, "wanted texts alone in the list 'category', found ['PC', 3]"),
        ({"title": {"en": "Halo"}}, "wanted text or a number for 'title', found {'en': 'Halo'}"),
    ],
)
def test_a_bad_item_is_named_with_its_row(tmp_path: Path, values: dict[str, Any], fault: str) -> None:
    metadata = lines([ITEM, {**ITEM, **values}])
    message = refusal(lambda: read(written(tmp_path, metadata=metadata)))
    assert message.startswith(f"{tmp_path / 'meta_Video_Games.json.gz'}, row 2: {fault}")


def test_a_packed_file_that_was_cut_says_how_far_it_goes(tmp_path: Path) -> None:
    numbered = ({**REVIEW, "reviewText": f"{number * 7919 % 104729:x}" * 9} for number in range(3_000))
    path = written(tmp_path, lines(numbered)) / "Video_Games_5.json.gz"
    path.write_bytes(path.read_bytes()[:-2_000])
    message = refusal(lambda: read(tmp_path))
    assert message.startswith(f"{path}: cannot be read beyond row 2")
    assert message.endswith("fetch it again")


def test_a_packed_file_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    message = refusal(lambda: read(written(tmp_path, b"")))
    assert message.startswith(f"{tmp_path / 'Video_Games_5.json.gz'}: wanted at least one row, found none")


def test_items_that_cannot_be_shown_are_left_out_and_counted(tmp_path: Path) -> None:
    page = {**ITEM, "asin": "2", "title": "var x = (new Date()).getTime();"}
    metadata = lines([ITEM, page, ITEM, {**ITEM, "asin": "3"}])
    reviews = [
        {**REVIEW, "asin": asin, "reviewerID": user, "unixReviewTime": 1_529_193_600 + 86_400 * day}
        for day, (user, asin) in enumerate([("u", "2"), ("u", "3"), ("v", "3"), ("u", "B004LLIKVU"), ("u", "3")])
    ]
    config = {
        "source": "amazon-2018",
        "path": written(tmp_path, lines(reviews), metadata),
        "split": {"by": "time-fractions", "train": 0.4, "valid": 0.3},
    }
    lenient = {"untitled_items": "drop", "repeated_items": "first", "unknown_items": "drop", "repeats": "first"}
    for setting in lenient:  # each is needed, and named where it is missing
        others = {name: value for name, value in lenient.items() if name != setting}
        assert f"data.{setting} = " in refusal(
            lambda settings=others: prepare(DataConfig.model_validate({**config, **settings}))
        )
    usable = DataConfig.model_validate({**config, **lenient})
    notes = prepare_raw(usable.source.read(usable.path), usable).notes
    assert (notes["items_without_title"], notes["items_repeated"], notes["catalogue_items"]) == (1, 1, 2)
    assert (notes["rows_read"], notes["rows_of_unknown_items"], notes["rows_of_repeats"]) == (5, 1, 1)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_a_damaged_line_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = {"reviews": lines([REVIEW] * 3), "metadata": lines([ITEM] * 3)}
    if data.draw(st.booleans()):
        content["metadata"] = f"{ITEM!r}\n".encode() * 3
    damaged = data.draw(st.sampled_from(list(content)))
    text = content[damaged]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    morsel = data.draw(
        st.sampled_from([b"", b"{", b"[" * 5_000, b"\\ud800", b"null", b"1e999", b"9" * 5_000]) | st.binary(max_size=4)
    )
    content[damaged] = text[:start] + morsel + text[end:]
    try:
        raw = read(written(tmp_path_factory.mktemp("damaged"), **content))
    except ScorerecError:
        return
    assert raw.ratings.height > 0
    assert raw.items.height > 0
