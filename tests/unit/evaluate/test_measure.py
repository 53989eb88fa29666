from __future__ import annotations

from scorerec.evaluate.measure import measure
from scorerec.evaluate.results import Measured


def test_every_metric_of_probabilities():
    found = measure(["a", "a", "b", "b"], [1, 0, 1, 0], [0.9, 0.1, 0.4, 0.4])
    assert found.auc == 0.875
    assert found.uauc == 0.75
    assert found.log_loss is not None
    assert found.calibration_error is not None
    assert found.reasons == {}
    assert (found.n_rows, found.n_positive, found.n_users, found.n_users_counted) == (4, 2, 2, 2)


def test_reasons_for_what_cannot_be_computed():
    found = measure(["a", "b"], [1, 1], [3.0, -1.0])
    assert (found.auc, found.uauc, found.log_loss, found.calibration_error) == (None, None, None, None)
    assert found.reasons == {
        "auc": "all rows are labelled 1",
        "uauc": "no user has rows of both classes",
        "log_loss": "scores lie outside [0, 1]",
        "calibration_error": "scores lie outside [0, 1]",
    }


def test_no_rows():
    found = measure([], [], [])
    assert (found.n_rows, found.n_users) == (0, 0)
    assert found.reasons["auc"] == "no rows"


def test_json_there_and_back():
    found = measure(["a", "a"], [1, 0], [0.7, 0.3])
    assert Measured.model_validate_json(found.model_dump_json()) == found
