"""A run whose evidence is titles and verdicts: its rows, what its stages read, recommending, and forgetting."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.errors import ConfigError
from scorerec.core.tables import INTERACTIONS, PROMPTS, SCORES, VERDICTS
from scorerec.experiment.actions import write_report
from scorerec.experiment.plan import ALL_STAGES, stages_of
from scorerec.experiment.run import Run
from scorerec.pipeline.recommend import Request
from scorerec.serve import explain
from scorerec.serve.forget import forget
from scorerec.serve.live import add_behaviours
from scorerec.text.segments import from_rows, render
from scorerec.text.verdicts import Verdict, verdict

ROWS = ("item-mean", "item+user-mean", "llm", "titles", "random", "shuffled", "empty", "score-at", "score")
METHODS = f"methods=[{', '.join(f'{chr(34)}{key}{chr(34)}' for key in ROWS)}]"
BOTH = 'evidence.forms=["verdicts", "titles"]'
# Half of the world's items, so that some of them are rated more than once.
SHARED = ('data.source={name="synthetic", n_users=60, n_items=300, quality_strength=0.0}', "evidence.force=true")


@pytest.fixture(scope="module")
def both(experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return experiment.run(tmp_path_factory.mktemp("forms"), METHODS, BOTH, *SHARED, "llm.teacher=0.5", "name=both")


def said(run: Any, stage: str) -> dict[str, list[str]]:
    """Return target_id -> its verdicts in words."""
    rows = run.artifacts[stage].table(PROMPTS).to_pylist()
    return {row["target_id"]: [part["text"] for part in row["segments"] if part["kind"] == "verdict"] for row in rows}


def counted(run: Any, stage: str) -> dict[str, Verdict]:
    rows = run.artifacts[stage].table(VERDICTS).to_pylist()
    return {row["target_id"]: Verdict(*list(row.values())[1:]) for row in rows}


def test_the_table_has_the_control_on_counts_and_all_else(both: Any) -> None:
    results = json.loads((both.artifacts["report"].path / "results.json").read_text(encoding="utf-8"))
    assert set(results["labels"]) == {*ROWS, "counts"}
    assert results["labels"]["counts"] == "logistic regression on the verdict counts"
    p_yes = both.artifacts["scores-counts"].table(SCORES)["p_yes"].to_numpy()
    assert np.unique(p_yes).size > 3
    page = (both.artifacts["report"].path / "report.html").read_text(encoding="utf-8")
    assert '<span class="verdict">verdict</span>' in page


@pytest.mark.parametrize(("stage", "source"), [("score", "verdicts"), ("random", "verdicts-random"),
                                               ("shuffled", "verdicts-shuffled")])  # fmt: skip
def test_prompts_tell_what_was_counted(both: Any, stage: str, source: str) -> None:
    words, counts = both.config.prompt.words, counted(both, source)
    told = {name: [verdict(one, words, "figures").text] for name, one in counts.items()}
    assert said(both, f"prompts-{stage}") == told
    assert len({texts[0] for texts in told.values()}) > 10


def test_controls_keep_what_they_do_not_change(both: Any) -> None:
    own, drawn, others = (counted(both, f"verdicts{name}") for name in ("", "-random", "-shuffled"))
    assert {name: one[:2] for name, one in own.items()} == {name: one[:2] for name, one in drawn.items()}
    assert own != drawn
    assert sorted(own.values()) == sorted(others.values())
    assert np.mean([own[name] == others[name] for name in own]) < 0.5


def test_the_papers_titles_are_the_prompts_without_verdicts(both: Any) -> None:
    score, titles = (both.artifacts[f"prompts-{key}"].table(PROMPTS) for key in ("score", "titles"))
    for one, other in zip(score["segments"].to_pylist(), titles["segments"].to_pylist(), strict=True):
        assert [part for part in one if part["kind"] != "verdict"] == other
    at = both.artifacts["prompts-score-at"].table(PROMPTS)
    judged = dict(zip(score["target_id"].to_pylist(), score["segments"].to_pylist(), strict=True))
    assert all(judged[row["target_id"]] == row["segments"] for row in at.to_pylist())


def test_what_its_stages_read_is_what_they_declare(both: Any) -> None:
    stages = {stage.name: stage for stage in stages_of(both.config)}
    changed = {stage.name for stage in stages.values() if stage not in ALL_STAGES}
    counting = {stage.name for stage in stages.values() if VERDICTS.name in stage.writes}
    assert counting == {"verdicts", "verdicts-random", "verdicts-shuffled"}
    assert {"prompts-score", "prompts-random", "prompts-shuffled", "prompts-score-at"} <= changed
    for name in (changed | counting) - {"report", "prompts-score-at"}:
        assert set(stages[name].reads) == both.read[name].stages, name
        assert set(stages[name].readable) == both.read[name].settings, name
    # What finds users reads more under other settings.
    assert both.read["prompts-score-at"].stages >= {"verdicts", "candidates"}


def test_verdicts_alone_look_for_nobody(experiment: Any, tmp_path: Path) -> None:
    run = experiment.run(tmp_path, 'evidence.forms=["verdicts"]', *SHARED, to="prompts-score")
    assert set(run.artifacts) == {"data", "corpus", "verdicts", "prompts-score"}
    kinds = {part["kind"] for row in run.artifacts["prompts-score"].table(PROMPTS).to_pylist()
             for part in row["segments"]}  # fmt: skip
    assert kinds == {"wording", "history", "target", "verdict"}
    with pytest.raises(ConfigError, match=r"base is SCORE with other titles, and evidence.forms has none of them"):
        experiment.config('evidence.forms=["verdicts"]', 'methods=["item-mean","item+user-mean","base","score"]')
    with pytest.raises(ConfigError, match=r"evidence.forms: no rumours; there are titles, consensus, shared"):
        experiment.config('evidence.forms=["rumours"]')


@pytest.fixture
def folder(both: Any, tmp_path: Path) -> Path:
    shutil.copytree(both.root, tmp_path / "runs")
    place: Path = tmp_path / "runs" / both.config.folder_name
    write_report(place)
    return place


def test_the_prompt_of_a_row_is_shown_as_it_was_read(folder: Path, both: Any) -> None:
    target = Run.open(folder).target(None)["target_id"][0].as_py()
    *_, shown = explain.show_prompts(folder, None)
    assert shown.name == "P^s"
    assert said(both, "prompts-score")[target][0] in shown.text


def of_training(run: Run) -> tuple[str, str, list[str]]:
    """Return the item that most training rows are about, and one of its raters, and the others of them."""
    rows = [row for row in run.table("data", INTERACTIONS).to_pylist() if row["split"] == "train"]
    items = [row["item_id"] for row in rows]
    item = max(sorted(set(items)), key=items.count)
    user, *others = [row["user_id"] for row in rows if row["item_id"] == item]
    return item, user, others


def told_now(folder: Path, item: str) -> str:
    """Return what a stranger's prompt says of an item."""
    with explain.opened_recommender(Run.open(folder)) as recommender:
        prompts: list[pa.Table] = []
        score = recommender.score
        object.__setattr__(recommender, "score", lambda table: prompts.append(table) or score(table))
        (found,) = recommender.answer([Request("stranger", [], [item])])[0]
    read = render(from_rows(prompts[0]["segments"][0].as_py()))
    assert found.item_id == item
    assert f"'. {found.verdict}. Respond" in read.replace('"', "'")
    return read


def test_recommending_counts_the_training_part_without_who_was_forgotten_and_with_who_was_added(
    folder: Path, experiment: Any
) -> None:
    item, user, others = of_training(Run.open(folder))
    assert f"Of {len(others) + 1} other viewers, " in told_now(folder, item)
    new = folder.parent / "new.csv"
    new.write_text(f"user_id,item_id,timestamp\nnewcomer,{item},1600000000\n", encoding="utf-8")
    add_behaviours(folder, new)
    assert f"Of {len(others) + 2} other viewers, " in told_now(folder, item)
    found = forget(folder, user)
    assert {"verdicts", "verdicts-random", "prompts-score", "report"} <= set(found.deleted)
    assert f"Of {len(others) + 1} other viewers, " in told_now(folder, item)
    forget(folder, "newcomer")
    assert "tuned-score" in found.models
    assert f"Of {len(others)} other viewers, " in told_now(folder, item)
    again = experiment.run(folder.parent, METHODS, BOTH, *SHARED, "llm.teacher=0.5", "name=both")
    assert set(again.ran) == set(found.deleted)
    assert user not in json.dumps(again.artifacts["verdicts"].manifest["rows"])


def test_whether_an_lm_reads_either_form_can_be_measured(both: Any) -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "reading.py"
    reading = SimpleNamespace(**runpy.run_path(str(path)))
    looks = list(reading.looks(both.made, "score", reading.TUNED, 40, "valid"))
    assert [look.what for look in looks] == ["target named", "liked and not, exchanged"]
    for look in looks:
        assert 0 < len(look.before) <= 40
        assert (look.before != look.after).any()
        assert len(look.cells()) == 6
    assert {1, -1} == set(looks[1].towards)
    untuned, _ = reading.looks(both.made, "score", str(both.made.model("backbone")), 40, "valid")
    assert untuned.users.tolist() == looks[0].users.tolist()
    assert (untuned.before != looks[0].before).any()
    (titles,) = reading.looks(both.made, "titles", reading.TUNED, 40, "valid")
    assert titles.what == "target named"
    change = np.array([0.0, 0.0, 0.3])
    assert reading.interval(change, ["a", "a", "b"]) == (0.0, pytest.approx(0.3))
    assert reading.interval(change, ["a"] * 3) == (pytest.approx(0.1), pytest.approx(0.1))
