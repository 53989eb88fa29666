"""An LLM of this process as assessor: batches of like length, replies kept, the same ones after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from scorerec.assess.assessor import Reply, ReplyError
from scorerec.assess.collect import AssessConfig, collect
from scorerec.assess.local import LocalAssessor, LocalConfig, LocalModel
from scorerec.assess.store import ReplyStore
from scorerec.core.errors import AssessmentError
from scorerec.text.segments import Segment, render

CONFIG = AssessConfig(assessor="local", local=LocalConfig(batch_size=2))


class Written:
    """Stands in for a model whose reply tells which prompts it was read with."""

    def __init__(self, dies_after: int | None = None):
        self.batches: list[list[str]] = []
        self.loads, self.dies_after = 0, dies_after

    def load(self) -> Written:
        self.loads += 1
        return self

    def __call__(self, prompts: Sequence[Sequence[Segment]]) -> list[Reply]:
        if len(self.batches) == self.dies_after:
            raise KeyboardInterrupt
        texts = [render(prompt) for prompt in prompts]
        self.batches.append(texts)
        return [Reply("" if text == "mute" else f"{text} of {'+'.join(texts)}", len(text), 3) for text in texts]

    def assessor(self) -> LocalAssessor:
        return LocalAssessor(CONFIG.local, LocalModel("a small LLM", dict, self.load))


def requests(*texts: str) -> list[tuple[str, list[Segment]]]:
    return [(f"t{place}", [Segment("wording", text)]) for place, text in enumerate(texts)]


ASKED = requests("a", "bbb", "cc", "dddd", "a")


def test_prompts_of_like_length_are_asked_together_and_each_once() -> None:
    model = Written()
    table, facts = collect(ASKED, model.assessor(), None, CONFIG)
    assert model.batches == [["dddd", "bbb"], ["cc", "a"]]
    assert table["reply"].to_pylist()[0] == table["reply"].to_pylist()[4] == "a of cc+a"
    assert set(table["model"].to_pylist()) == {"a small LLM"}
    assert (facts["is_llm"], facts["tokens_in"], facts["tokens_out"], facts["n_answered"]) == (True, 10, 12, 5)


def test_after_a_kill_the_rest_is_asked_in_the_same_company(tmp_path: Path) -> None:
    whole, _ = collect(ASKED, Written().assessor(), None, CONFIG)
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            collect(ASKED, Written(dies_after=1).assessor(), store, CONFIG)
        assert len(store) == 2
        rest = Written()
        resumed, facts = collect(ASKED, rest.assessor(), store, CONFIG)
        assert rest.batches == [["cc", "a"]]
        assert (facts["n_prompts_from_store"], facts["n_prompts_asked"]) == (2, 2)
        assert resumed.equals(whole)
        done = Written()
        again, _ = collect(ASKED, done.assessor(), store, CONFIG)
        assert again.equals(whole)
        assert done.loads == 0


def test_a_batch_that_was_kept_in_part_is_read_whole_again(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        collect(requests("bbb"), Written().assessor(), store, CONFIG)
        model = Written()
        table, _ = collect(ASKED, model.assessor(), store, CONFIG)
    assert model.batches == [["dddd", "bbb"], ["cc", "a"]]
    assert table["reply"].to_pylist()[1] == "bbb of bbb"  # what was kept stays


def test_an_empty_reply_is_none_and_is_not_asked_again() -> None:
    lenient = CONFIG.model_copy(update={"max_unanswered": 0.5})
    model = Written()
    table, facts = collect(requests("mute", "b"), model.assessor(), None, lenient)
    assert table["target_id"].to_pylist() == ["t1"]
    assert (facts["failures"], len(model.batches)) == ({"empty": 1}, 1)
    with pytest.raises(AssessmentError, match=r"no reply \(calls that failed: 1 x empty\)") as caught:
        collect(requests("mute", "b"), Written().assessor(), None, CONFIG)
    assert "Run again" not in str(caught.value)
    with pytest.raises(ReplyError, match=r"nothing to say; use another assess\.local\.model"):
        Written().assessor().ask([Segment("wording", "mute")])


def test_other_models_and_lengths_keep_replies_apart() -> None:
    def identity(sha256: str = "b179", **settings: object) -> object:
        model = LocalModel("any", lambda: {"sha256": sha256}, Written().load)
        return LocalAssessor(LocalConfig.model_validate(settings), model).identity

    assert identity() == identity(batch_size=7)
    assert identity() != identity(model="other/llm")
    assert identity() != identity(max_new_tokens=9)
    assert identity() != identity(sha256="other weights of the same name")


def test_what_decides_the_other_assessors_is_what_it_was() -> None:
    assert AssessConfig(local=LocalConfig(max_new_tokens=9)).decisive == {"assessor": "metadata", "n_targets": 10_000}
    assert "local" not in AssessConfig(assessor="openai").decisive
    assert CONFIG.decisive == {
        "assessor": "local",
        "n_targets": 10_000,
        "max_unanswered": 0.05,
        "local": {"model": "embedded:smollm2", "max_new_tokens": 48, "batch_size": 2},
    }


def test_a_budget_for_what_costs_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="a model of this process costs nothing: take the budget out"):
        AssessConfig(assessor="local", budget_tokens=10)
