import pyarrow as pa

from scorerec.core.tables import PROMPTS
from scorerec.rerank.prompts import PromptReader, texts_of, with_other_targets
from scorerec.text.budget import Budget
from scorerec.text.segments import Segment, to_rows


def basic(history, target):
    return [
        Segment("wording", "Liked: ["),
        *(Segment("history", title, title) for title in history),
        Segment("wording", "]. Will they enjoy "),
        Segment("target", target, target),
        Segment("wording", "?"),
    ]


def table(**prompts):
    rows = [
        {"target_id": name, "segments": to_rows(segments), "dropped_history": 0, "dropped_evidence": 0}
        for name, segments in prompts.items()
    ]
    return pa.Table.from_pylist(rows, PROMPTS.columns)


def test_the_oldest_titles_go_and_the_question_stays():
    left = "Liked: [Quake, Hexen, Myst]. Will they enjoy Emma?"
    reader = PromptReader(Budget(tokens=len(left) + len(", ")), len)
    assert texts_of(reader.read(table(t=basic(["Doom", "Quake", "Hexen", "Myst"], "Emma")))) == {"t": left}


def test_without_a_token_budget_nothing_is_counted():
    def never(_):
        raise AssertionError

    reader = PromptReader(Budget(history_titles=1), never)
    assert texts_of(reader.read(table(t=basic(["Doom", "Myst"], "Emma")))) == {
        "t": "Liked: [Myst]. Will they enjoy Emma?"
    }


def test_a_further_column_does_no_harm():
    prompts = table(t=basic(["Doom"], "Emma")).append_column("user_id", pa.array(["ann"]))
    assert list(PromptReader(Budget(), len).read(prompts)) == ["t"]


def test_swapping_changes_the_target_alone_and_always():
    prompts = {
        "a": basic(["Doom"], "Emma"),
        "b": basic(["Quake"], "Emma"),
        "c": basic(["Hexen"], "Myst"),
    }
    swapped = texts_of(with_other_targets(prompts, seed=0))
    assert swapped["a"] == "Liked: [Doom]. Will they enjoy Myst?"
    assert swapped["b"] == "Liked: [Quake]. Will they enjoy Myst?"
    assert swapped["c"] == "Liked: [Hexen]. Will they enjoy Emma?"


def test_with_one_target_there_is_nothing_to_swap():
    prompts = {"a": basic(["Doom"], "Emma")}
    assert with_other_targets(prompts, seed=0) == prompts
