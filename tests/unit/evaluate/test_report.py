from __future__ import annotations

import base64
import hashlib
import re
from html import unescape

import pytest

from scorerec.evaluate.comparison import compare
from scorerec.evaluate.examples import EvidenceUser, Example
from scorerec.evaluate.plots import roc_plot
from scorerec.evaluate.report import ReportData, kind, prompt_pieces, render_report, signal_tables, whiskers
from scorerec.evaluate.results import (
    Health,
    Informativeness,
    Moved,
    Moves,
    NeighbourShare,
    Ranking,
    Signal,
    StateSpread,
    UserCount,
)
from scorerec.evaluate.rows import judged_rows
from scorerec.text.segments import Segment, render

ATTACK = "<script>alert('1')</script>\" onload=\"x"
PROMPT = (
    Segment("wording", "Seen: ["),
    Segment("history", "'A'", "1"),
    Segment("history", "'B'", "2"),
    Segment("wording", "]. Like "),
    Segment("target", f"'{ATTACK}'", "3"),
    Segment("wording", "?\nAnswer Yes or No."),
)


def informativeness(split: str, auc: float) -> Informativeness:
    return Informativeness(evidence="candidates", feature="count", split=split, n_rows=9, n_without=0, auc=auc)


def signal(name: str = "SASRec", **given) -> Signal:
    measured = {"auc": 0.61, "uauc": 0.5, "added_auc": 0.7, "added_uauc": 0.5, "mean_auc": 0.69, "gain": None}
    return Signal(
        recommender=name,
        spread=StateSpread(mean_cosine=0.25, effective_rank=12.34, interaction_share=0.375),
        **{
            "rankings": [Ranking(predictor=name, split="test", n_rows=5, measures={"recall@10": 0.5})],
            "alike": [
                NeighbourShare(
                    source=name,
                    jaccard=0.2,
                    random_jaccard=0.1,
                    low=0.05,
                    high=0.15,
                    found_share=0.9,
                    largest_in_degree=7,
                    n_anchors=9,
                )
            ],
            "counts": [
                UserCount(source=name, split=split, n_users=2, n_rows=9, named=0.5, **measured)
                for split in ("valid", "test")
            ],
            "warnings": [],
        }
        | given,
    )


@pytest.fixture
def rows(world):
    return judged_rows(world.interactions, world.targets, world.scores)


@pytest.fixture
def comparison(rows):
    return compare(rows, "SCORE", n_resamples=20)


def test_nothing_can_break_out_of_its_place(rows, comparison):
    user = EvidenceUser(ATTACK, (ATTACK,), 0.5, has_target=True)
    example = Example(ATTACK, ATTACK, ATTACK, 1, {ATTACK: 0.5}, (ATTACK,), (user,), (user,), PROMPT)
    page = render_report(
        ReportData(
            title=ATTACK,
            comparison=comparison.model_copy(update={"split": ATTACK, "against": ATTACK}),
            summary={ATTACK: ATTACK},
            stand_ins=[ATTACK],
            warnings=[ATTACK],
            facts={ATTACK: {ATTACK: [{ATTACK: ATTACK}], "list": [ATTACK]}, "plain": ATTACK},
            configuration={ATTACK: {"deep": {ATTACK: ATTACK}}},
            plots=[roc_plot(rows)],
            examples=[example],
            signal=signal(ATTACK),
            health=[Health(method=ATTACK, interaction_share=0.5, item_correlation=None)],
        )
    )
    assert re.findall("<script.*", page) == ['<script>"use strict";']  # our own
    assert 'onload="' not in page
    assert page.count("&lt;script&gt;") > 15


def test_the_page_fetches_nothing(rows, comparison):
    page = render_report(ReportData("t", comparison, plots=[roc_plot(rows)]))
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)', page))
    assert all(place.startswith("#") for place in re.findall(r'href="([^"]*)', page))
    assert not re.search(r"<link|<script|<iframe|@import|url\(|http://|https://", page)
    assert "default-src 'none'" in page


def test_the_one_script_is_the_one_that_the_browser_is_told_to_run(comparison):
    example = Example("t", "u", "x", 1, {"SCORE": 0.9}, (), (), (), PROMPT)
    page = render_report(ReportData("t", comparison, examples=[example]))
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert not re.search(r"fetch\(|XMLHttp|import|innerHTML|eval", script)


def test_examples_say_what_the_filter_asks_for(comparison):
    right = Example("t", "u", "x", 1, {"SCORE": 0.9}, (), (), (), PROMPT)
    wrong = Example("t", "u", "y", 0, {"SCORE": 0.9}, (), (), (), PROMPT)
    page = render_report(ReportData("t", comparison, examples=[right, wrong]))
    assert 'data-label="liked" data-verdict="right"' in page
    assert 'data-label="not liked" data-verdict="wrong"' in page
    for place in re.findall(r'href="#([^"]*)', page):
        assert f'id="{place}"' in page


def test_costs_and_stages_are_tables(comparison):
    costs, stages = [{"method": "SCORE", "training, s": "12"}], [{"stage": "crm", "seconds": "40"}]
    page = render_report(ReportData("t", comparison, costs=costs, stages=stages, facts={"crm": {"epochs": 3}}))
    assert "<td>12</td>" in page
    assert "<td>40</td>" in page


def test_the_prompt_is_shown_exactly_as_read(comparison):
    example = Example("t", "u", "x", None, {}, (), (), (), PROMPT)
    page = render_report(ReportData("t", comparison, examples=[example]))
    shown = re.search(r'<div class="prompt">(.*?)</div>', page, re.DOTALL).group(1)
    assert unescape(re.sub(r"<[^>]*>", "", shown)) == render(PROMPT)
    assert '<span class="target">' in shown
    assert '<span class="history">&#39;A&#39;</span><span class="wording">, </span>' in shown


def test_titles_without_end_are_shortened(comparison):
    endless = "word " * 2000
    user = EvidenceUser("b", (endless,), 0.5, has_target=False)
    example = Example("t", "u", endless, 1, {"SCORE": 0.9}, (endless,), (user,), (user,), PROMPT)
    page = render_report(ReportData("t", comparison, examples=[example]))
    shown = re.findall(r"(?:word )+word…", page)
    assert len(shown) == 4  # heading, history, retrieved, chosen
    assert max(map(len, re.findall(r"(?:word ?)+", page))) <= 120


@pytest.mark.parametrize(("item_id", "is_said"), [("3", False), ("4", True)])
def test_a_like_that_the_lm_did_not_read_is_said_to_be_none_of_its_reasons(comparison, item_id, is_said):
    user = EvidenceUser("b", ("X",), 0.5, has_target=True)
    prompt = (*PROMPT, Segment("evidence", "'X'", item_id, "b"), Segment("evidence", "'Y'", "3", "other"))
    example = Example("t", "u", "x", 1, {"SCORE": 0.9}, (), (user,), (user,), prompt)
    page = render_report(ReportData("t", comparison, examples=[example]))
    assert page.count("liked the target</span>") == 2
    assert page.count("not read by the LM") == is_said


def test_the_page_can_be_printed(comparison):
    page = render_report(ReportData("t", comparison))
    rules = page[page.index("@media print") : page.index("</style>")]
    assert "nav, .filter { display: none" in rules
    assert ".wide { overflow: visible" in rules  # paper does not scroll


def test_pieces_are_the_prompt():
    assert "".join(piece.text for piece in prompt_pieces(PROMPT)) == render(PROMPT)
    assert list(prompt_pieces([])) == []


def test_whether_language_models_read_is_a_table(comparison):
    moves = Moves(evidence=Moved(mean_change=0.02, n_rows=9))
    health = Health(method="SCORE", interaction_share=0.123, item_correlation=0.5, moves=moves)
    page = render_report(ReportData("t", comparison, health=[health]))
    table = page[page.index('<h2 id="health">') :]
    assert re.findall("<td[^>]*>([^<]*)</td>", table)[:5] == ["SCORE", "12.3%", "0.500", "–", "0.0200"]
    assert 'href="#health"' in page
    assert 'id="health"' not in render_report(ReportData("t", comparison))


def test_stand_ins_come_before_any_number(comparison):
    page = render_report(ReportData("t", comparison, stand_ins=["metadata assessor: not an LLM"]))
    assert page.index("metadata assessor: not an LLM") < page.index("<table>")


@pytest.mark.parametrize(("train", "is_said"), [(0.741, True), (0.590, False)])
def test_evidence_that_peeks_is_said_loudly(comparison, train, is_said):
    found = [informativeness("train", train), informativeness("test", 0.583)]
    page = render_report(ReportData("t", comparison, informativeness=found))
    assert ("0.741 on training rows" in page) is is_said
    assert "How informative the evidence alone is" in page


def test_the_signal_stands_before_what_the_evidence_alone_tells(comparison):
    found = [informativeness("test", 0.6)]
    page = render_report(ReportData("t", comparison, signal=signal(), informativeness=found))
    assert page.index('<h2 id="signal">') < page.index("How informative the evidence alone is")
    assert '<a href="#signal">' in page
    assert "<td>37.50%</td>" in page
    assert "<td>50.0%, 0.610, 0.7000</td>" in page


def test_the_tables_of_the_signal():
    tables = signal_tables(signal())
    assert list(tables) == [
        "Does the recommender tell users apart?",
        "Does it rank what was liked next among the whole catalogue?",
        "Are the users that are found alike?",
        "Do they know the target? valid rows",
        "Do they know the target? test rows",
    ]
    assert tables["Does the recommender tell users apart?"] == [
        {
            "recommender": "SASRec",
            "mean cosine of two users": "0.2500",
            "effective rank of states": "12.3",
            "share of score variance that is user x item": "37.50%",
        }
    ]
    assert tables["Are the users that are found alike?"][0]["times"] == "2.0"
    assert len(signal_tables(signal(rankings=[], alike=[], counts=[]))) == 1  # no empty table
    assert signal_tables(None) == {}


def test_the_verdict_stands_between_the_table_and_everything_else(comparison):
    page = render_report(ReportData("t", comparison, verdict=[f"SCORE is below {ATTACK}"]))
    assert page.index("<table>") < page.index("SCORE is below &lt;script&gt;") < page.index("Paired differences")
    assert page.count("difference to ") == 3  # SCORE and both references


def test_a_bare_report_has_no_empty_sections(comparison):
    page = render_report(ReportData("t", comparison))
    headings = re.findall("<h2[^>]*>(.*?)</h2>", page)
    assert headings == ["Methods on test rows", "Paired differences"]
    assert "left out: 1 with one row, 1 with one class" in page


def test_equal_data_gives_an_equal_page(rows, comparison):
    data = ReportData("t", comparison, plots=[roc_plot(rows)])
    assert render_report(data) == render_report(data)


def test_whiskers_share_an_axis(comparison):
    found = whiskers(comparison.methods, "auc")
    assert min(whisker.low for whisker in found.values()) == 0
    assert max(whisker.high for whisker in found.values()) == 100
    assert all(whisker.low <= whisker.value <= whisker.high for whisker in found.values())
    assert whiskers((), "auc") == {}


@pytest.mark.parametrize(
    ("value", "layout"),
    [
        ({"a": 1}, "mapping"),
        ({}, "value"),
        ([{"a": 1}], "table"),
        ([1], "value"),
        ([], "value"),
        ("x", "value"),
    ],
)
def test_layout_of_facts(value, layout):
    assert kind(value) == layout
