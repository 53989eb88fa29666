"""Collection: sampling, order, failures that lose nothing else, and the embedded assessor."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from scorerec.assess.assessor import Assessor, Reply, ReplyError
from scorerec.assess.collect import AssessConfig, collect, make_assessor, sample_targets
from scorerec.assess.local import LocalModel
from scorerec.assess.metadata import MetadataAssessor
from scorerec.assess.store import ReplyStore
from scorerec.core.errors import AssessmentError, ConfigError, DataError
from scorerec.core.tables import ASSESSMENTS, TARGETS
from scorerec.text import prompts
from scorerec.text.describe import Describer
from scorerec.text.segments import Segment, render
from scorerec.text.wording import DOMAINS

ITEMS = Describer(
    {
        "1": {"title": "Clerks (1994)", "genres": ["Comedy"]},
        "2": {"title": "Ran (1985)", "genres": ["Drama", "War"]},
    }
)
MOVIE = DOMAINS["movie"]


class Scripted:
    """An assessor that fails where it is told to."""

    name = "scripted"
    is_llm = True
    n_concurrent = 3
    failed_attempts: Mapping[str, int] = {}

    def __init__(self, failing: Mapping[str, str] | None = None):
        self.failing = failing or {}
        self.asked: list[str] = []
        self._lock = threading.Lock()

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": self.name}

    def ask(self, prompt: Sequence[Segment]) -> Reply:
        text = render(prompt)
        with self._lock:
            self.asked.append(text)
        if text in self.failing:
            raise ReplyError(self.failing[text], "as told")
        return Reply(f"re {text}", 7, None)


def made(**settings: Any) -> Assessor:
    return make_assessor(
        AssessConfig(**settings), ITEMS, MOVIE, LocalModel("a small LLM", dict, lambda: lambda asked: [])
    )


def requests(*texts: str) -> list[tuple[str, list[Segment]]]:
    return [(f"t{place}", [Segment("wording", text)]) for place, text in enumerate(texts)]


def targets(*splits: str | None) -> pa.Table:
    rows = [
        {"target_id": f"t{n}", "query_id": "q", "item_id": "i", "row_id": n, "label": 1, "split": split}
        for n, split in enumerate(splits)
    ]
    return TARGETS.check(pa.Table.from_pylist(rows, TARGETS.columns))


def test_the_sample_is_of_training_targets_in_their_order_and_the_same_each_time() -> None:
    table = targets(*["train", "valid", "train", "test", None] * 40)
    sample = sample_targets(table, 20, seed=0)
    assert sample.equals(sample_targets(table, 20, seed=0))
    assert not sample.equals(sample_targets(table, 20, seed=1))
    assert sample["split"].to_pylist() == ["train"] * 20
    assert sample["row_id"].to_pylist() == sorted(sample["row_id"].to_pylist())


def test_a_smaller_sample_is_part_of_a_larger_one_and_neither_depends_on_the_order_of_rows() -> None:
    table = targets(*["train"] * 100)
    small, large = (set(sample_targets(table, n, 3)["target_id"].to_pylist()) for n in (10, 30))
    assert small < large
    assert small == set(sample_targets(table.take(list(range(99, -1, -1))), 10, 3)["target_id"].to_pylist())


def test_all_are_taken_when_there_are_fewer() -> None:
    assert sample_targets(targets("train", "valid", "train"), 10_000, 0)["target_id"].to_pylist() == [
        "t0",
        "t2",
    ]
    assert sample_targets(targets("valid"), 5, 0).num_rows == 0


def test_the_table_of_assessments() -> None:
    table, facts = collect(requests("a", "b"), Scripted())
    assert table.to_pylist() == [
        {
            "target_id": target_id,
            "reply": f"re {text}",
            "model": "scripted",
            "prompt_hash": hashlib.sha256(text.encode()).hexdigest(),
            "tokens_in": 7,
            "tokens_out": None,
        }
        for target_id, text in (("t0", "a"), ("t1", "b"))
    ]
    assert facts == {
        "assessor": "scripted",
        "is_llm": True,
        "n_requests": 2,
        "n_answered": 2,
        "n_prompts_from_store": 0,
        "n_prompts_asked": 2,
        "n_prompts_unanswered": 0,
        "failures": {},
        "failed_attempts": {},
        "tokens_in": 14,
        "tokens_out": 4,
        "warnings": [],
    }


LENIENT = AssessConfig(max_unanswered=1.0, n_rounds=1)


def test_a_failing_call_loses_no_other_reply_and_is_asked_again_alone(tmp_path: Path) -> None:
    failing = Scripted({"b": "status 500", "c": "empty", "e": "empty"})
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        table, facts = collect(requests(*"abcde"), failing, store, LENIENT)
        assert table["target_id"].to_pylist() == ["t0", "t3"]
        assert facts["failures"] == {"empty": 2, "status 500": 1}
        assert (facts["n_prompts_asked"], facts["n_answered"], facts["n_prompts_unanswered"]) == (5, 2, 3)
        assert facts["warnings"] == [
            "3 of 5 prompts have no reply (calls that failed: 2 x empty, 1 x status 500)",
        ]
        well = Scripted()
        table, facts = collect(requests(*"abcde"), well, store)
    assert table["target_id"].to_pylist() == ["t0", "t1", "t2", "t3", "t4"]
    assert sorted(well.asked) == ["b", "c", "e"]


def test_a_call_that_fails_in_passing_is_made_again_after_the_others() -> None:
    class Flaky(Scripted):
        n_concurrent = 1

        def ask(self, prompt: Sequence[Segment]) -> Reply:
            if render(prompt) in self.asked:
                self.failing = {}
            return super().ask(prompt)

    flaky = Flaky({"a": "empty"})
    table, facts = collect(requests(*"abc"), flaky)
    assert flaky.asked == ["a", "b", "c", "a"]
    assert table.num_rows == 3
    assert (facts["failures"], facts["n_prompts_unanswered"], facts["warnings"]) == ({"empty": 1}, 0, [])


def test_what_the_model_declines_is_not_asked_again_and_borne_up_to_a_share() -> None:
    class Prim(Scripted):
        def ask(self, prompt: Sequence[Segment]) -> Reply:
            if render(prompt) == "a":
                self.asked.append("a")
                raise ReplyError("refused", "as told", passing=False)
            return super().ask(prompt)

    prim = Prim()
    assert collect(requests(*"abcd"), prim, None, AssessConfig(max_unanswered=0.25))[0].num_rows == 3
    assert prim.asked.count("a") == 1
    with pytest.raises(AssessmentError, match=r"1 of 4 prompts have no reply .*1 x refused.*max_unanswered = 0.24"):
        collect(requests(*"abcd"), Prim(), None, AssessConfig(max_unanswered=0.24))


def test_an_endpoint_that_only_fails_is_not_asked_for_hours() -> None:
    class Down(Scripted):
        def ask(self, prompt: Sequence[Segment]) -> Reply:
            time.sleep(0.001)
            return super().ask(prompt)

    down = Down({str(number): "timeout" for number in range(10, 1000)})
    with pytest.raises(AssessmentError, match=r"last 20 calls failed.*timeout: as told.*run again to continue"):
        collect(requests(*map(str, range(1000))), down, None, AssessConfig(patience=20))
    assert len(down.asked) < 500


def test_equal_prompts_are_asked_once() -> None:
    assessor = Scripted()
    table, facts = collect(requests("a", "a", "b"), assessor)
    assert sorted(assessor.asked) == ["a", "b"]
    assert table["reply"].to_pylist() == ["re a", "re a", "re b"]
    assert facts["n_prompts_asked"] == 2


def test_nothing_but_failures_is_an_error() -> None:
    with pytest.raises(AssessmentError, match=r"3 of 3 prompts have no reply \(.*20 x empty, 10 x timeout\)"):
        collect(requests(*"abc"), Scripted({"a": "empty", "b": "timeout", "c": "empty"}))
    with pytest.raises(AssessmentError, match="1 of 1 prompts"):
        collect(requests("a"), Scripted({"a": "empty"}), None, LENIENT)


def test_nothing_to_ask_is_an_empty_table() -> None:
    table, facts = collect([], Scripted())
    assert table.equals(ASSESSMENTS.empty())
    assert facts["n_requests"] == 0


def test_an_interrupted_collection_keeps_what_was_answered(tmp_path: Path) -> None:
    class Interrupted(Scripted):
        n_concurrent = 1

        def ask(self, prompt: Sequence[Segment]) -> Reply:
            if render(prompt) == "c":
                raise KeyboardInterrupt
            return super().ask(prompt)

    with ReplyStore(tmp_path / "replies.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            collect(requests(*"abcdefghijklmnop"), Interrupted(), store)
        assert len(store) >= 2
        resumed = Scripted()
        collect(requests(*"abcdefghijklmnop"), resumed, store)
    assert not {"a", "b"} & set(resumed.asked)


def test_the_metadata_assessor_says_that_it_is_no_llm(tmp_path: Path) -> None:
    assessor = MetadataAssessor(ITEMS, MOVIE)
    prompt = prompts.self_assessing(["1"], "2", ITEMS, MOVIE)
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        table, facts = collect([("t", prompt)], assessor, store)
        assert len(store) == 0
    assert table["model"].to_pylist() == ["metadata-assessor (not an LLM)"]
    assert table["reply"].to_pylist() == ["People who also enjoy Drama and War movies similar to 'Ran (1985)'."]
    assert (facts["assessor"], facts["is_llm"], facts["tokens_in"]) == (
        "metadata-assessor (not an LLM)",
        False,
        0,
    )


def test_the_metadata_assessor_needs_a_target() -> None:
    with pytest.raises(DataError, match="one target"):
        MetadataAssessor(ITEMS, MOVIE).ask([Segment("wording", "?")])


def test_the_configuration_names_the_assessor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCOREREC_API_BASE_URL", raising=False)
    assert made().is_llm is False
    assert (made(assessor="local").is_llm, made(assessor="local").name) == (True, "a small LLM")
    with pytest.raises(ConfigError, match="SCOREREC_API_BASE_URL"):
        made(assessor="openai")
    monkeypatch.setenv("SCOREREC_API_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("SCOREREC_API_KEY", "k")
    assert made(assessor="openai").name == "glm-4-plus"
