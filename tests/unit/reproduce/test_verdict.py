"""The line under a table of the paper says no more than intervals and corrected p-values do."""

from __future__ import annotations

from scorerec.evaluate.results import Interval, PairedDifference
from scorerec.reproduce.page import Section, _tables
from scorerec.reproduce.plan import ITEM_MEAN, ITEM_USER_MEAN, SCORE, SCORE_AS_OF, Row
from scorerec.reproduce.summary import Line
from scorerec.reproduce.verdict import verdict_line


def line(row: Row, value: float | None = None, p: float = 0.001) -> Line:
    interval = None if value is None else Interval(low=value - 0.01, high=value + 0.01, n_resamples=9)
    differences = (
        {}
        if value is None
        else {
            metric: PairedDifference(value=value, interval=interval, p_value=0.0001, detectable=0.02, n_seeds=3)
            for metric in ("auc", "uauc")
        }
    )
    return Line(
        row=row,
        seeds=(0,),
        wanted=(0,),
        spreads={},
        differences=differences,
        adjusted=dict.fromkeys(differences, p),
        improvement=None,
        paper=None,
        seconds=None,
    )


MF, DIN, LLM = Row("mf", "crm", (), "MF"), Row("din", "crm", (), "DIN"), Row("llm", "llm", (), "TALLRec")


def test_references_have_amounts_and_other_rows_names() -> None:
    found = [line(ITEM_MEAN, -0.04), line(MF, 0.03), line(DIN, 0.005), line(LLM, 0.03, p=0.2), line(SCORE)]
    assert verdict_line(found) == (
        "SCORE is below item mean by 0.0400 AUC [0.0300, 0.0500] and 0.0400 UAUC [0.0300, 0.0500]. "
        "Of the other rows, by AUC, SCORE cannot be told apart from DIN, TALLRec; beats MF."
    )


def test_nothing_is_said_where_nothing_was_measured_together() -> None:
    assert verdict_line([line(SCORE), line(MF)]) == "No verdict: no row here was measured on the same rows as SCORE."
    assert verdict_line([line(SCORE), line(ITEM_MEAN, 0.03)]).startswith("SCORE beats item mean by 0.0300 AUC")


def test_each_block_of_table_2_has_a_verdict_on_its_own_rows() -> None:
    found = [line(ITEM_MEAN, -0.04), line(ITEM_USER_MEAN, -0.05), line(MF, 0.03), line(SCORE_AS_OF, 0.05), line(SCORE)]
    blocks = _tables(Section("table2", found))
    verdicts = [block.rstrip().rsplit("\n\n", 1)[1] for block in blocks]
    assert [text.startswith("**Verdict.** SCORE is below item mean by") for text in verdicts] == [True] * 3
    assert [text.partition("Of the other rows, by AUC, ")[2] for text in verdicts] == [
        "SCORE beats MF.",
        "SCORE beats SCORE, as-of corpus.",
        "",
    ]
    (whole,) = _tables(Section("fig3", found))
    assert whole.rstrip().endswith("SCORE beats MF, SCORE, as-of corpus.")
