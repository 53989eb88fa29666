"""Forms of evidence: each is filled from its table, and any set of them may be combined."""

from __future__ import annotations

import itertools
from importlib import import_module
from typing import Any, get_args

import pyarrow as pa
import pytest

from scorerec.core.errors import ConfigError
from scorerec.core.tables import CONTEXTS, ITEMS, KNOWLEDGE, QUERIES, SHARED, TARGETS, VERDICTS
from scorerec.pipeline.forms.about import About
from scorerec.pipeline.forms.consensus import Consensus
from scorerec.pipeline.forms.opinion import Opinion
from scorerec.pipeline.forms.record import UserRecord
from scorerec.pipeline.forms.registry import FORMS, choose_forms
from scorerec.pipeline.forms.shared import Shares
from scorerec.pipeline.forms.titles import Titles
from scorerec.pipeline.forms.verdicts import Verdicts
from scorerec.pipeline.producers import shuffled, without_content
from scorerec.pipeline.prompting import Place, PromptConfig, Prompter
from scorerec.text.segments import from_rows, render

NAMES = {"a": "Alien (1979)", "b": "Big (1988)", "c": "Clue (1985)"}
ITEMS_TABLE = ITEMS.check(pa.table({"item_id": list(NAMES), "title": list(NAMES.values()), "year": [1979, 1988, 1985]}))
PROMPTER = Prompter(ITEMS_TABLE, PromptConfig())
QUERY = pa.Table.from_pylist(
    [{"query_id": "q", "user_id": "u", "n_before": 1, "snapshot": 0, "item_ids": ["a"]}], QUERIES.columns
)
SPLITS = ["train", "train", "train", "test", "test"]
ASKED = pa.Table.from_pylist(
    [{"target_id": f"t{n}", "query_id": "q", "item_id": "b", "split": split} for n, split in enumerate(SPLITS)],
    TARGETS.columns,
)
COUNTED = VERDICTS.check(
    pa.table(
        [[f"t{n}" for n in range(5)], [40, 41, 42, 43, 44], [31] * 5, [8] * 5, [3, 4, 5, 6, 7]],
        names=VERDICTS.columns.names,
    )
)
CHOSEN = pa.Table.from_pylist([{"target_id": "t0", "rank": 1, "behaviour_id": "v", "score": 1.0}], CONTEXTS.columns)
LIKENESS = SHARED.check(
    pa.table([["t0", "t0"], [2, 1], [False, True], [["a"], ["c", "a"]]], names=SHARED.columns.names).cast(
        SHARED.columns
    )
)
KNOWN_COUNTS = {"n_likes": 3, "n_dislikes": 2, "alike_likes": 1, "alike_dislikes": 2, "alike": 0.5}
KNOWN = pa.Table.from_pylist(
    [dict.fromkeys(KNOWLEDGE.columns.names, 0) | {"target_id": f"t{n}"} | KNOWN_COUNTS for n in range(5)],
    KNOWLEDGE.columns,
)
FILLED = {
    "titles": Titles(PROMPTER, CHOSEN, {"v": ["b", "c"]}),
    "consensus": Consensus(PROMPTER, {"q": "They like quiet films. Such as Big."}),
    "shared": Shares(PROMPTER, LIKENESS),
    "verdicts": Verdicts(PROMPTER, COUNTED, "figures"),
    "about": About(PROMPTER, KNOWN),
    "record": UserRecord(PROMPTER, KNOWN, "figures"),
    "opinion": Opinion(PROMPTER, {f"t{n}": 0.64 for n in range(5)}, "figures"),
}
TOLD = {
    "titles": "['Big (1988)', 'Clue (1985)']",
    "consensus": "Of viewers with similar taste it is said: They like quiet films.",
    "shared": "A viewer who also liked 'Clue (1985)' and 'Alien (1979)' liked it. A viewer who also liked "
    "'Alien (1979)' did not like it.",
    "verdicts": "Of 40 other viewers, 31 liked it.",
    "about": "Its year: 1988. The movies that this viewer likes are often of this kind.",
    "record": "So far this viewer liked 3 of 5 movies, and 1 of 3 of this kind.",
    "opinion": "Judged by numbers alone, 64 of 100 viewers like this one would like it.",
}
EVERY_SET = [chosen for count in range(1, len(FORMS) + 1) for chosen in itertools.combinations(FORMS, count)]


def text_of(*forms: str, place: int = 0) -> str:
    prompts = PROMPTER.with_evidence(ASKED, QUERY, [FILLED[form] for form in forms])
    return render(from_rows(prompts["segments"][place].as_py()))


@pytest.mark.parametrize("forms", EVERY_SET, ids="+".join)
def test_any_set_shows_each_of_its_forms_once_and_no_other(forms: tuple[str, ...]) -> None:
    assert list(TOLD) == list(FORMS)
    assert {form: text_of(*forms).count(words) for form, words in TOLD.items()} == {
        form: int(form in forms) for form in FORMS
    }


@pytest.mark.parametrize("name", FORMS)
def test_a_line_of_the_registry_has_its_file(name: str) -> None:
    module: Any = import_module(f"scorerec.pipeline.forms.{name}")
    assert callable(module.fill)
    assert FILLED[name].place in get_args(Place)


def test_forms_stand_in_the_order_of_prompts_and_an_unknown_one_is_named() -> None:
    assert choose_forms(["verdicts", "titles", "verdicts"]) == ("titles", "verdicts")
    with pytest.raises(ConfigError, match=r"evidence.forms: no rumours; there are titles, consensus, shared"):
        choose_forms(["titles", "rumours"])


def test_another_rows_verdict_is_of_the_same_split_and_never_the_own() -> None:
    given = shuffled(ASKED, COUNTED, VERDICTS, seed=0).sort_by("target_id")
    own, others = COUNTED["n_raters"].to_pylist(), given["n_raters"].to_pylist()
    assert given["target_id"].equals(COUNTED["target_id"])
    assert all(one != other for one, other in zip(own, others, strict=True))
    assert sorted(others[:3]) == own[:3]


def test_every_table_is_shuffled_alike_and_a_row_may_get_nothing() -> None:
    verdicts = shuffled(ASKED, COUNTED, VERDICTS, seed=0).sort_by("target_id")["n_raters"].to_pylist()
    got = set(shuffled(ASKED, LIKENESS, SHARED, seed=0)["target_id"].to_pylist())
    assert got == {f"t{verdicts.index(40)}"}  # whoever has t0's verdict has those who are like t0's user, too


def test_a_verdict_without_content_says_that_there_is_one_and_nothing_of_it() -> None:
    prompts = PROMPTER.with_evidence(ASKED, QUERY, list(FILLED.values()))
    text = render(from_rows(without_content(prompts, PROMPTER.words)["segments"][0].as_py()))
    assert "'Big (1988)'. Other viewers have rated it. Respond" in text
    assert "[movie, movie]" in text
