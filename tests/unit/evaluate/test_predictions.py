from __future__ import annotations

import contextlib
import gzip
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorerec.core.errors import DataError
from scorerec.evaluate.predictions import evaluate_predictions

GOOD = "user_id,label,score\na,1,0.9\na,0,0.1\nb,1,0.4\nb,0,0.4\nc,1,0.5\nd,0,0.2\nd,0,0.3\n"


def written(folder, text, name="scores.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_file(tmp_path):
    found = evaluate_predictions(written(tmp_path, GOOD), n_resamples=50)
    # Positives 0.9, 0.4, 0.5 against 0.1, 0.4, 0.2, 0.3: 11.5 of 12 pairs.
    assert found.auc == pytest.approx(11.5 / 12)
    assert found.uauc == 0.75
    assert (found.n_rows, found.n_users, found.n_users_counted, found.n_rows_counted) == (7, 4, 2, 4)
    assert (found.left_out.one_row, found.left_out.one_class) == (1, 1)
    assert found.auc_interval.low <= found.auc <= found.auc_interval.high


def test_json_has_what_programs_read(tmp_path):
    record = json.loads(evaluate_predictions(written(tmp_path, GOOD), n_resamples=10).to_json())
    assert {"auc", "uauc", "n_rows", "n_users", "n_users_counted", "left_out", "log_loss"} <= set(record)


def test_scores_that_are_no_probabilities(tmp_path):
    found = evaluate_predictions(written(tmp_path, GOOD.replace("0.9", "9")), n_resamples=10)
    assert found.log_loss is None
    assert found.reasons["log_loss"] == "scores lie outside [0, 1]"
    assert json.loads(found.to_json())["log_loss"] is None


def test_parquet_and_compressed_csv_say_the_same(tmp_path):
    plain = evaluate_predictions(written(tmp_path, GOOD), n_resamples=10)
    parquet = tmp_path / "scores.parquet"
    pl.read_csv(tmp_path / "scores.csv").write_parquet(parquet)
    packed = tmp_path / "scores.csv.gz"
    packed.write_bytes(gzip.compress(GOOD.encode()))
    for path in (parquet, packed):
        assert evaluate_predictions(path, n_resamples=10).model_copy(update={"file": plain.file}) == plain


def test_user_ids_stay_text(tmp_path):
    text = "user_id,label,score\n007,1,0.9\n7,0,0.1\n"
    assert evaluate_predictions(written(tmp_path, text), n_resamples=10).n_users == 2


def test_further_columns_are_ignored(tmp_path):
    text = "item,score,user_id,label\nx,0.9,a,1\ny,0.1,a,0\n"
    assert evaluate_predictions(written(tmp_path, text), n_resamples=10).auc == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("user_id,label,score\n", "no rows below the header"),
        ("user_id,label\na,1\n", "no column score; wanted user_id, label, score, it has user_id, label"),
        ("user_id,label,score\na,1,0.5\na,2,0.5\n", r"row 2 .*: wanted a label of 0 or 1, got '2'; 1 such"),
        ("user_id,label,score\na,1,0.5\na,,0.5\n", "row 2 .*: wanted a label of 0 or 1, got nothing"),
        ("user_id,label,score\na,1,nan\na,0,0.5\n", "row 1 .*: wanted a number as score, got 'nan'"),
        ("user_id,label,score\na,1,high\na,0,0.5\n", "row 1 .*: wanted a number as score, got 'high'"),
        ("user_id,label,score\na,1,\na,0,\n", "row 1 .*: wanted a number as score, got nothing; 2 such rows"),
        ("user_id,label,score\n,1,0.5\na,0,0.5\n", "row 1 .*: wanted a user id, got nothing"),
        ("user_id,label,score\na,1,0.5\nb,1,0.4\n", "all 2 labels are 1"),
        ("user_id,label,score\na,1,0.5,9,9\n", "cannot be read as csv"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_row(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        evaluate_predictions(path)
    assert str(path) in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        evaluate_predictions(tmp_path / "none.csv")
    with pytest.raises(DataError, match="wanted a file that ends in"):
        evaluate_predictions(written(tmp_path, GOOD, "scores.txt"))
    with pytest.raises(DataError, match="cannot be read as parquet"):
        evaluate_predictions(written(tmp_path, GOOD, "scores.parquet"))
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(gzip.compress(GOOD.encode() * 100)[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        evaluate_predictions(broken)
    latin = tmp_path / "latin.csv"
    latin.write_bytes("user_id,label,score\né,1,0.5\né,0,0.1\n".encode("latin-1"))
    with pytest.raises(DataError, match="cannot be read"):
        evaluate_predictions(latin)


def test_parquet_of_other_types(tmp_path):
    path = tmp_path / "scores.parquet"
    pl.DataFrame({"user_id": [1, 1], "label": [True, False], "score": [1, 0]}).write_parquet(path)
    assert evaluate_predictions(path, n_resamples=10).auc == 1.0
    pl.DataFrame({"user_id": [[1], [1]], "label": [1, 0], "score": [1, 0]}).write_parquet(path)
    with pytest.raises(DataError, match="user_id is List"):
        evaluate_predictions(path)
    pl.DataFrame({"user_id": [1, 1], "label": [[1], [0]], "score": [1, 0]}).write_parquet(path)
    with pytest.raises(DataError, match="label is List"):
        evaluate_predictions(path)


@settings(deadline=None, max_examples=60)
@given(st.one_of(st.binary(max_size=80), st.text(alphabet='user_id,label,score\n01.9"a;', max_size=80).map(str.encode)))
def test_no_file_ends_in_a_traceback(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "scores.csv"
    path.write_bytes(b"user_id,label,score\n" + content)
    with contextlib.suppress(DataError):
        evaluate_predictions(path, n_resamples=2)
