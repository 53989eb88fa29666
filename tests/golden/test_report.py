"""The report on a tiny fixed input, as a reader's text, compared with the committed ``report.txt``.

After a wanted change, write it anew with ``SCOREREC_REGENERATE_GOLDEN=1 pytest tests/golden/test_report.py``
and read the difference.
"""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path

import numpy as np

from scorerec.evaluate.comparison import REFERENCES, compare
from scorerec.evaluate.examples import EvidenceUser, Example
from scorerec.evaluate.plots import Plot
from scorerec.evaluate.report import ReportData, render_report
from scorerec.evaluate.results import Informativeness
from scorerec.evaluate.rows import JudgedRows
from scorerec.evaluate.slices import Slice
from scorerec.evaluate.verdict import verdict
from scorerec.text.segments import Segment

GOLDEN = Path(__file__).with_name("report.txt")


def fixed_rows() -> JudgedRows:
    """Twelve rows of four users; the last two users have one class and one row."""
    users = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3]
    scores = {
        "item-mean": [0.6, 0.5, 0.4, 0.7, 0.5, 0.4, 0.6, 0.3, 0.5, 0.6, 0.4, 0.5],
        "item+user-mean": [0.7, 0.6, 0.5, 0.6, 0.4, 0.3, 0.5, 0.2, 0.5, 0.6, 0.4, 0.5],
        "LLM without CI": [3.0, 1.0, -1.0, 0.0, 2.0, -2.0, 0.5, -1.5, 0.0, 0.5, 1.0, 2.0],
        "SCORE": [0.9, 0.6, 0.3, 0.2, 0.8, 0.1, 0.4, 0.3, 0.7, 0.8, 0.6, 0.5],
    }
    names = tuple(f"t{index}" for index in range(12))
    return JudgedRows(
        split="test",
        target_ids=names,
        user_ids=tuple(f"u{user}" for user in users),
        item_ids=names,
        users=np.array(users),
        labels=np.array([1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0], np.int8),
        scores={method: np.array(values) for method, values in scores.items()},
    )


def fixed_data() -> ReportData:
    rows = fixed_rows()
    half = np.arange(12) < 6
    comparison = compare(
        rows,
        "SCORE",
        slices=[Slice("first half", half), Slice("nobody", np.zeros(12, bool))],
        seconds={"item-mean": 0.25, "SCORE": 1234.5},
        n_resamples=50,
    )
    neighbour = EvidenceUser("b7", ("Clerks (1994)", "<b>Dogma</b> (1999)"), 0.75, has_target=True)
    other = EvidenceUser("b2", tuple(f"Film {number}" for number in range(15)), 0.9, has_target=False)
    prompt = (
        Segment("wording", "Rated highly: ["),
        Segment("history", "'Heat (1995)'", "1"),
        Segment("history", "'Ronin (1998)'", "2"),
        Segment("wording", "]; others: [", None, "b7"),
        Segment("evidence", "'Clerks (1994)'", "3", "b7"),
        Segment("wording", "]. Would the user enjoy "),
        Segment("target", "'<b>Dogma</b> (1999)'", "4"),
        Segment("wording", "?"),
    )
    example = Example(
        target_id="t0",
        user_id="u0",
        title="<b>Dogma</b> (1999)",
        label=1,
        scores={"SCORE": 0.9, "LLM without CI": 3.0},
        history=("Heat (1995)", "Ronin (1998)"),
        candidates=(other, neighbour),
        contexts=(neighbour,),
        prompt=prompt,
    )
    cold = Example("t9", "u2", "Brazil (1985)", 0, {"SCORE": 0.8}, (), (), (), prompt[-3:])
    return ReportData(
        title="SCORE on a tiny world",
        comparison=comparison,
        summary={"data": "12 rows", "split": "per user by time"},
        stand_ins=["toy LM: a stand-in, not a pretrained LLM", "metadata assessor: not an LLM"],
        verdict=verdict(comparison, REFERENCES, ["LLM without CI"]),
        warnings=["SARE is no better than the untuned reranker."],
        informativeness=[
            Informativeness(
                evidence="candidates (K_e = 2)",
                feature="how many contain the target",
                split=split,
                n_rows=12,
                n_without=1,
                auc=auc,
            )
            for split, auc in [("train", 0.741), ("valid", None), ("test", 0.583)]
        ],
        plots=[Plot("ROC", "ROC curves on test rows", "<svg/>")],
        facts={
            "car": {"recall at 10": {"tuned": 0.34, "untuned": 0.21}},
            "crm": {
                "curve": [{"epoch": 1, "loss": 0.69}, {"epoch": 2, "loss": 0.61, "AUC": 0.6}],
                "rows": 33891,
            },
        },
        configuration={"seed": 0, "llm": {"tune": "full", "modules": ["q_proj", "v_proj"], "path": None}},
        examples=[example, cold],
    )


def readable(page: str) -> str:
    """Return the page's text, one block per line; a picture is its description."""
    body = re.sub(r"<(head|script)>.*?</\1>", "", page, flags=re.DOTALL)
    body = re.sub(r'<img[^>]*alt="([^"]*)"[^>]*>', r"[picture: \1]", body)
    body = re.sub(r"\s+", " ", body)
    body = re.sub(r"</(td|th|dt)>", " | ", body)
    body = re.sub(
        r"</?(p|h\d|div|tr|table|li|ol|ul|dl|dd|details|summary|figure|figcaption|footer)\b[^>]*>", "\n", body
    )
    lines = (" ".join(unescape(re.sub(r"<[^>]*>", "", line)).split()) for line in body.split("\n"))
    return "\n".join(line for line in lines if line) + "\n"


def test_the_report_reads_as_before():
    text = readable(render_report(fixed_data()))
    if os.environ.get("SCOREREC_REGENERATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")
