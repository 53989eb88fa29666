"""The counts of the paper's MovieLens-1M, of MovieLens-100K and of Amazon Gift Cards, where they are at hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scorerec.core.errors import DataError
from scorerec.data.corpus import CorpusConfig, build_corpus
from scorerec.data.prepare import DataConfig, prepare
from scorerec.experiment.config import load_experiment

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"data sets are not part of the project: {DATA} is not there"),
]


def test_movielens_1m_has_the_papers_rows() -> None:
    prepared = prepare(DataConfig.model_validate({"source": "movielens-1m", "path": DATA / "ml-1m", "split": "months"}))
    figures = {
        name: (part["rows"], part["users"], part["items"], part["positive_rate"])
        for name, part in prepared.notes["parts"].items()
    }
    assert figures == {
        "train": (33_891, 740, 3_087, 0.5368),
        "valid": (10_401, 356, 2_506, 0.5283),
        "test": (7_331, 320, 2_203, 0.5454),
    }
    assert len(prepared.interactions["user_id"].unique()) == 838
    assert len(prepared.interactions["item_id"].unique()) == 3_255
    assert prepared.items.num_rows == 3_883
    corpus = build_corpus(prepared.interactions, CorpusConfig())
    assert corpus.behaviours.num_rows == 719
    assert corpus.targets.num_rows == 51_623


def test_movielens_100k_per_user() -> None:
    prepared = prepare(DataConfig.model_validate({"source": "movielens-100k", "path": DATA / "ml-100k"}))
    assert [part["rows"] for part in prepared.notes["parts"].values()] == [80_808, 9_596, 9_596]
    assert prepared.notes["parts"]["test"]["users"] == 943
    assert prepared.items.num_rows == 1_682


def test_movielens_100k_by_date_leaves_few_known_users() -> None:
    config = {"source": "movielens-100k", "path": DATA / "ml-100k", "split": "time-fractions"}
    notes = prepare(DataConfig.model_validate(config)).notes
    assert notes["parts"]["test"]["known_users"] == pytest.approx(0.14, abs=0.01)


def test_amazon_gift_cards_as_published() -> None:
    path = DATA / "amazon-gift-cards"
    with pytest.raises(DataError, match=r"Gift_Cards_5\.json\.gz, row \d+: user '\w+' and item '\w+' occur again"):
        prepare(DataConfig.model_validate({"source": "amazon-2018", "path": path, "split": "time-fractions"}))
    config = {"source": "amazon-2018", "path": path, "split": "time-fractions", "repeats": "first"}
    prepared = prepare(DataConfig.model_validate(config))
    assert (prepared.notes["rows_read"], prepared.notes["rows_of_repeats"]) == (2_972, 7)
    assert (prepared.notes["users"], prepared.notes["items"]) == (458, 148)
    titles = prepared.items.column("title").to_pylist()
    assert len(titles) == 1_547
    assert "Amazon Gift Card - Print - Happy Valentine's Day" in titles
    assert not [title for title in titles if re.search(r"&\w+;|&#\d+;|</?\w", title)]
    assert "</span></span></span>" not in {name for names in prepared.items["categories"].to_pylist() for name in names}


def test_the_recipe_of_games_divides_gift_cards() -> None:
    data = load_experiment("games", [f"data.path={DATA / 'amazon-gift-cards'}"]).data
    prepared = prepare(data)
    parts = prepared.notes["parts"]
    assert [part["rows"] for part in parts.values()] == [1_834, 355, 356]
    assert prepared.notes["rows_not_selected"] == 420
    assert (parts["train"]["first_day"][:4], parts["test"]["last_day"][:4]) == ("2013", "2017")
    corpus = build_corpus(prepared.interactions, CorpusConfig())
    assert corpus.targets.num_rows == 2_545
