"""A record gives back the scores that it was measured by, bit for bit, and says so where it cannot."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scorerec.core.errors import ArtifactError
from scorerec.evaluate.measure import measure
from scorerec.evaluate.rows import JudgedRows
from scorerec.reproduce.records import Record, keep_record, make_record, read_records

ABOUT = {"seconds": 1.5, "stand_ins": [], "machine": "any"}


def judged(scores: NDArray[np.float64], users: NDArray[np.int64], labels: NDArray[np.int8]) -> JudgedRows:
    names = tuple(map(str, range(len(scores))))
    return JudgedRows("test", names, tuple(map(str, users)), names, users, labels, {"a method": scores})


def made(scores: NDArray[np.float64], users: NDArray[np.int64], labels: NDArray[np.int8]) -> Record:
    return make_record("row", 3, "f" * 16, judged(scores, users, labels), "a method", ABOUT)


@pytest.fixture
def small() -> Record:
    return made(np.array([0.1, 0.7, 0.3, 0.9]), np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0], np.int8))


def packed(scores: NDArray[np.floating]) -> str:
    return base64.b64encode(zlib.compress(scores.tobytes())).decode()


def test_scores_come_back_from_the_file_and_give_the_same_measures(small: Record, tmp_path: Path) -> None:
    keep_record(tmp_path, small)
    ((place, read),) = read_records(tmp_path).items()
    assert (place, read) == (("row", 3), small)
    scores = read.row_scores()
    assert scores.dtype == np.float32
    assert scores.tolist() == np.array([0.1, 0.7, 0.3, 0.9], np.float32).tolist()
    assert measure([0, 0, 1, 1], [0, 1, 1, 0], scores) == read.measured


def test_scores_are_rounded_before_they_are_measured() -> None:
    """Near 1 float32 tells less apart than float64: what ties there must tie in the measures too."""
    near_one = np.array([1 - 1e-9, 1 - 2e-9, 0.5])
    record = made(near_one, np.zeros(3, np.int64), np.array([1, 0, 0], np.int8))
    assert measure([0, 0, 0], [1, 0, 0], near_one).auc == 1.0
    assert (record.measured.auc, record.measured.uauc) == (0.75, 0.75)
    assert measure([0, 0, 0], [1, 0, 0], record.row_scores()) == record.measured


def test_150_records_of_the_papers_rows_are_below_8_mb(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 7331).astype(np.int8)
    users = rng.integers(0, 320, 7331)
    path = keep_record(tmp_path, made(1 / (1 + np.exp(-rng.normal(size=7331))), users, labels))
    assert 150 * path.stat().st_size < 8e6


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ("", "wanted the scores of 4 rows, none are kept"),
        (packed(np.zeros(3, np.float32)), "wanted 4 scores, one a row, got 3"),
        (packed(np.zeros(4, np.float64)), "wanted 4 scores, one a row, got 8"),
        (packed(np.zeros(5, np.int8)), "no base64 of zlib of float32"),
        ("not base64", "no base64 of zlib of float32"),
        (base64.b64encode(b"not zlib").decode(), "no base64 of zlib of float32"),
    ],
)
def test_scores_that_are_missing_or_tampered_with(small: Record, scores: str, message: str) -> None:
    with pytest.raises(ArtifactError, match=rf"record 'row', seed 3: .*{message}.*; delete its file"):
        small.model_copy(update={"scores": scores}).row_scores()


def test_a_file_of_before_scores_were_kept_is_read(small: Record, tmp_path: Path) -> None:
    (tmp_path / "row-seed3.json").write_text(small.model_dump_json(exclude={"scores"}), encoding="utf-8")
    assert read_records(tmp_path)["row", 3].scores == ""
