"""The paper's counts beside ours."""

import pytest

from scorerec.experiment.expected import compare


def notes(train, valid, test, users, items):
    parts = {"train": {"rows": train}, "valid": {"rows": valid}, "test": {"rows": test}}
    return {"parts": parts, "users": users, "items": items}


@pytest.mark.parametrize("name", ["ml-1m", "games"])
def test_counts_stand_beside_those_of_table_1(name):
    counts = compare(notes(1, 2, 3, 4, 5), name)
    assert [row[0] for row in counts.rows] == ["train rows", "valid rows", "test rows", "users", "items"]
    assert [row[1] for row in counts.rows] == [1, 2, 3, 4, 5]
    assert "Table 1 of the paper" in counts.origin


def test_the_papers_halves_of_games_differ_by_the_odd_row():
    _, (_, _, valid), (_, _, test), *_ = compare(notes(0, 0, 0, 0, 0), "games").rows
    assert (valid, test) == (14_423, 14_424)


def test_nothing_is_compared_where_nothing_is_expected():
    assert compare(notes(1, 2, 3, 4, 5), "none") is None
