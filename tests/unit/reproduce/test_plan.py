"""Every row of every table can be configured, and no system of the paper is missing."""

from __future__ import annotations

import pytest

from scorerec.core.errors import ConfigError
from scorerec.experiment.config import load_experiment
from scorerec.experiment.methods import METHODS
from scorerec.reproduce.plan import (
    CHECKS,
    FIGURE_3,
    REGIMES,
    TABLE_2,
    TABLE_3,
    TABLES,
    Row,
    figure_4,
    rows_of,
    tables_of,
)
from scorerec.reproduce.summary import paper_numbers

EVERY_ROW = list(dict.fromkeys([*TABLE_2, *TABLE_3, *FIGURE_3, *CHECKS, *figure_4(), *figure_4(retune=True)]))
EVERY_ROW = list(dict.fromkeys([*EVERY_ROW, *(row for regime in REGIMES for row in regime.rows if row.key != "score")]))


@pytest.mark.parametrize("row", EVERY_ROW, ids=lambda row: row.key)
def test_a_row_is_a_method_and_settings_that_exist(row: Row) -> None:
    assert row.method in METHODS
    load_experiment("ml-1m-toy", row.changes)


def test_a_key_names_one_row_of_settings() -> None:
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for row in EVERY_ROW:
        assert found.setdefault(row.key, (row.method, row.changes)) == (row.method, row.changes)


def test_every_system_of_the_papers_tables_has_a_row() -> None:
    for dataset in ("ml-1m", "games"):
        assert set(paper_numbers(dataset, "table2")) <= {row.key for row in TABLE_2}
        assert set(paper_numbers(dataset, "table3")) == {row.key for row in TABLE_3}
    assert paper_numbers("mine", "table2") == {}


def test_figure_4_varies_one_number_at_a_time() -> None:
    assert [row.key for row in figure_4()] == [
        "score-ke5-ks2",
        "score-ke10-ks2",
        "score-ke15-ks2",
        "score-ke20-ks2",
        "score-ke10-ks1",
        "score-ke10-ks3",
        "score-ke10-ks4",
    ]
    assert all("evidence.n" in change for row in figure_4(retune=True) for change in row.changes)


def test_what_a_method_may_know() -> None:
    by_key = {row.key: row for row in EVERY_ROW}
    assert by_key["item+user-mean"].knows == by_key["boosted-trees"].knows == "own likes and dislikes"
    assert by_key["oracle"].knows == "the label"
    assert by_key["sasrec-item"].knows == by_key["sasrec-bce"].knows == "own likes"
    assert by_key["sasrec"].knows == by_key["score"].knows == "own likes"
    assert by_key["dislikes"].knows == "own likes and dislikes"
    of_others = {row.key for row in TABLE_2 if row.reads_others}
    assert of_others == {"titles", "score", "score-as-of", "coral", "encoder-score"}
    assert (by_key["score"].group, by_key["score-as-of"].group, by_key["dislikes"].group) == (
        "frozen",
        "as-of",
        "dislikes",
    )


def test_a_table_has_the_rows_that_say_something_of_their_own_of_its_forms() -> None:
    def keys(table: str, *forms: str) -> set[str]:
        return {row.key for row in rows_of(table, forms=forms)}

    both = keys("table2", "titles", "verdicts")
    assert {"llm", "titles", "score", "counts"} <= both
    assert both - keys("table2", "titles") == {"titles", "counts"}  # SCORE is the titles then, and nothing is counted
    assert both - keys("table2", "verdicts") == set()
    assert keys("fig3", "titles", "verdicts") >= {"random", "shuffled", "empty", "base", "oracle", "score"}
    assert keys("fig3", "verdicts") - keys("fig3", "titles") == {"counts"}  # which verdicts tell, and titles do not
    assert keys("fig3", "titles") <= keys("fig3", "verdicts")
    for table in ("table3", "checks"):
        assert any(key.startswith("counts") for key in keys(table, "verdicts"))
        assert not any(key.startswith("counts") for key in keys(table, "titles"))
    in_titles = {row.key for row in rows_of("fig3", forms=["verdicts"]) if 'evidence.forms=["titles"]' in row.changes}
    assert in_titles == {"base", "cf", "rerank", "oracle", "oracle-shown", "score-shown"}  # other titles, or none
    assert rows_of("fig4", forms=["verdicts"]) == ()  # numbers of users whose titles are shown
    for table in TABLES:
        for row in rows_of(table, forms=["verdicts"]):
            load_experiment("ml-1m-toy", [f'methods=["item-mean","item+user-mean","{row.method}","score"]',
                                      'evidence.forms=["verdicts"]', *row.changes])  # fmt: skip


def test_what_decides_who_is_found_is_told_in_titles_where_other_forms_do_not_depend_on_it() -> None:
    titles = 'evidence.forms=["titles"]'
    for row in (*rows_of("table3", forms=["verdicts"]), *rows_of("fig4", retune=True, forms=["verdicts"])):
        if row.method == "score":
            assert titles in row.changes
            assert row.label.endswith(", in titles")
    by_key = {row.key: row for row in rows_of("table3", forms=["verdicts"])}
    assert by_key["titles"].label == "SASRec, SCORE, in titles"
    assert {row.in_paper for row in by_key.values()} >= set(paper_numbers("ml-1m", "table3"))
    assert "score" not in by_key
    assert {row.key for row in TABLE_3} <= {row.key for row in rows_of("table3")}


def test_a_table_that_is_not_there() -> None:
    assert all(rows_of(table) or table in ("signal", "fig5") for table in TABLES)
    with pytest.raises(ConfigError, match="no 'table9' to reproduce; there are table2, table3"):
        rows_of("table9")


def test_a_regime_knows_what_its_letter_says() -> None:
    frozen, as_of, dislikes = (regime.score for regime in REGIMES)
    assert (frozen.group, as_of.group, dislikes.group) == ("frozen", "as-of", "dislikes")
    for regime in REGIMES:
        config = load_experiment("ml-1m-toy", regime.score.changes)
        assert config.evidence.own_dislikes == (regime.key == "c")
        assert {"item-mean", "item+user-mean", "regression", "trees", "score"} <= {row.method for row in regime.rows}
        assert rows_of(regime.table, forms=["verdicts"]) == regime.rows
        assert "score" not in {
            row.key for row in rows_of(regime.table, forms=["titles"])
        }  # it is told no verdicts there


def test_all_is_the_paper_and_beyond_is_all_regimes() -> None:
    assert not set(tables_of("all")) & set(tables_of("beyond"))
    assert set(tables_of("all")) | set(tables_of("beyond")) == set(TABLES)
    assert tables_of("fig3") == ("fig3",)
