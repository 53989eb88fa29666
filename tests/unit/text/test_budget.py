"""Budgets: what goes first, what always stays, and that what is left fits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorerec.core.errors import ConfigError
from scorerec.text import prompts
from scorerec.text.budget import Budget, TokenCounter, fit
from scorerec.text.describe import Describer
from scorerec.text.features import disliked
from scorerec.text.segments import Segment, render
from scorerec.text.wording import DOMAINS

MOVIE = DOMAINS["movie"]
ITEMS = Describer({**{str(n): {"title": f"T{n}"} for n in range(40)}, "long": {"title": "a b c d e f g h i j"}})


def words(text: str) -> int:
    return len(re.findall(r"\w+", text))


def prompt(n_history: int, *n_evidence: int) -> list[Segment]:
    evidence = [(f"u{n}", [str(10 * (n + 1) + k) for k in range(size)]) for n, size in enumerate(n_evidence)]
    return prompts.augmented([str(n) for n in range(n_history)], evidence, "39", ITEMS, MOVIE)


def shown(segments: list[Segment]) -> dict[str | None, list[str]]:
    lists: dict[str | None, list[str]] = {}
    for part in segments:
        if part.kind in ("history", "evidence") and part.item_id:
            lists.setdefault(part.behaviour_id, []).append(part.item_id)
    return lists


def test_no_limit_changes_nothing() -> None:
    parts = prompt(3, 2)
    fitted = fit(parts, Budget(), words)
    assert fitted == (parts, 0, 0, words(render(parts)))


def test_counted_budgets_keep_the_most_recent_titles_and_the_first_users() -> None:
    fitted = fit(prompt(5, 4, 4, 4), Budget(history_titles=2, evidence_titles=3, evidence_users=2), words)
    assert shown(fitted.segments) == {None: ["3", "4"], "u0": ["11", "12", "13"], "u1": ["21", "22", "23"]}
    assert (fitted.dropped_history, fitted.dropped_evidence) == (3, 6)


def test_no_users_is_the_basic_prompt() -> None:
    fitted = fit(prompt(2, 3, 3), Budget(evidence_users=0), words)
    assert fitted.segments == prompts.basic(["0", "1"], "39", ITEMS, MOVIE)


def test_no_history_titles_is_an_empty_list() -> None:
    assert fit(prompt(3), Budget(history_titles=0), words).dropped_history == 3


def test_the_longest_list_loses_its_oldest_titles() -> None:
    parts = prompt(6, 4, 2)  # one word a title
    fitted = fit(parts, Budget(tokens=words(render(parts)) - 3), words)
    # 6, 4, 2 -> 5, 4, 2 -> 4, 4, 2 -> at a tie the evidence goes: 4, 3, 2
    assert shown(fitted.segments) == {
        None: ["2", "3", "4", "5"],
        "u0": ["11", "12", "13"],
        "u1": ["20", "21"],
    }
    assert (fitted.dropped_history, fitted.dropped_evidence) == (2, 1)
    assert fitted.n_tokens == words(render(parts)) - 3


def test_length_is_counted_in_tokens_not_in_titles() -> None:
    parts = prompts.augmented(["long", "1"], [("u", ["10", "11", "12"])], "39", ITEMS, MOVIE)
    fitted = fit(parts, Budget(tokens=words(render(parts)) - 1), words)
    assert shown(fitted.segments) == {None: ["1"], "u": ["10", "11", "12"]}


def test_users_go_before_the_last_history_title_and_it_goes_before_the_question() -> None:
    bare = words(render(prompts.basic([], "39", ITEMS, MOVIE)))
    tight = fit(prompt(3, 3, 3), Budget(tokens=bare + 1), words)
    assert tight.segments == prompts.basic(["2"], "39", ITEMS, MOVIE)
    assert (tight.dropped_history, tight.dropped_evidence) == (2, 6)
    tightest = fit(prompt(3, 3, 3), Budget(tokens=bare), words)
    assert tightest.segments == prompts.basic([], "39", ITEMS, MOVIE)


def with_dislikes(n_dislikes: int, parts: list[Segment]) -> list[Segment]:
    return disliked(parts, [str(38 - n) for n in range(n_dislikes)], ITEMS, MOVIE)


def told(segments: list[Segment]) -> list[str | None]:
    return [part.item_id for part in segments if part.kind == "dislike"]


def test_dislikes_lose_their_oldest_titles_too_and_the_history_keeps_its_at_a_tie() -> None:
    parts = with_dislikes(4, prompt(4))
    fitted = fit(parts, Budget(tokens=words(render(parts)) - 3), words)
    # 4, 4 -> 4, 3 -> 3, 3 -> 3, 2
    assert shown(fitted.segments) == {None: ["1", "2", "3"]}
    assert told(fitted.segments) == ["36", "35"]
    assert (fitted.dropped_history, fitted.dropped_evidence) == (3, 0)
    assert fitted.n_tokens == words(render(parts)) - 3


def test_no_counted_budget_is_about_dislikes() -> None:
    parts = with_dislikes(4, prompt(4))
    assert told(fit(parts, Budget(history_titles=1), words).segments) == ["38", "37", "36", "35"]


def test_the_last_dislike_goes_before_the_last_history_title_and_after_the_others_users() -> None:
    bare = words(render([part for part in with_dislikes(2, prompt(2)) if part.kind in ("wording", "target")]))
    for n_left, expected in ((2, (["1"], ["37"])), (1, (["1"], [])), (0, ([], []))):
        fitted = fit(with_dislikes(2, prompt(2, 3)), Budget(tokens=bare + n_left), words)
        assert (shown(fitted.segments).get(None, []), told(fitted.segments)) == expected
        assert fitted.dropped_evidence == 3
    with pytest.raises(ConfigError, match=f"need {bare}"):
        fit(with_dislikes(2, prompt(2)), Budget(tokens=bare - 1), words)


def test_a_budget_below_the_question_is_an_error() -> None:
    bare = words(render(prompts.basic([], "39", ITEMS, MOVIE)))
    with pytest.raises(ConfigError, match=f"need {bare}"):
        fit(prompt(3, 3), Budget(tokens=bare - 1), words)


def test_a_behaviour_alone_can_be_fitted() -> None:
    fitted = fit(prompts.behaviour([str(n) for n in range(9)], ITEMS), Budget(tokens=2), words)
    assert render(fitted.segments) == "['T7', 'T8']"


def test_a_tokenizer_for_which_the_whole_is_dearer_than_its_parts_still_fits() -> None:
    def dear(text: str) -> int:
        return words(text) + (20 if len(text) > 200 else 0)

    parts = prompt(30)
    fitted = fit(parts, Budget(tokens=words(render(parts))), dear)
    assert fitted.n_tokens <= words(render(parts))
    assert fitted.dropped_history == 20


def test_titles_that_cost_nothing_do_not_stop_it() -> None:
    def free_titles(text: str) -> int:
        return 0 if text.endswith("',") else len(text)

    bare = len(render(prompts.basic([], "39", ITEMS, MOVIE)))
    assert fit(prompt(5, 5), Budget(tokens=bare), free_titles).n_tokens == bare


@given(
    st.integers(0, 9),
    st.lists(st.integers(0, 9), max_size=3),
    st.integers(20, 120),
    st.sampled_from([words, len, lambda text: -(-len(text) // 4)]),
)
@settings(deadline=None, max_examples=200)
def test_what_is_left_fits_and_is_made_of_latest_titles(
    n_history: int, n_evidence: list[int], tokens: int, count: object
) -> None:
    assert callable(count)
    parts = prompt(n_history, *n_evidence)
    try:
        fitted = fit(parts, Budget(tokens=tokens), count)
    except ConfigError:
        assert count(render(prompts.basic([], "39", ITEMS, MOVIE))) > tokens
        return
    assert fitted.n_tokens == count(render(fitted.segments)) <= tokens
    before, after = shown(parts), shown(fitted.segments)
    for name, kept in after.items():
        assert before[name][len(before[name]) - len(kept) :] == kept
    n_before = sum(map(len, before.values()))
    assert n_before - fitted.dropped_history - fitted.dropped_evidence == sum(map(len, after.values()))
    fixed = [part for part in parts if part.kind in ("wording", "target") and part.behaviour_id is None]
    assert [part for part in fitted.segments if part in fixed] == fixed


def test_short_texts_are_counted_once() -> None:
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return words(text)

    counter = TokenCounter(count)
    for _ in range(3):
        fit(prompt(6, 4), Budget(tokens=50), counter)
    whole = [text for text in asked if text.startswith("The user has") and text.endswith("'No'.")]
    assert len(asked) - len(whole) == len(set(asked) - set(whole))


def test_a_window_in_steps_grows_at_its_end_and_then_moves() -> None:
    budget = Budget(history_titles=3, history_step=2)
    windows = [shown(fit(prompt(n), budget, words).segments)[None] for n in range(3, 9)]
    assert ["".join(window) for window in windows] == ["012", "0123", "234", "2345", "456", "4567"]


@given(n_history=st.integers(1, 12), step=st.integers(1, 4), tokens=st.integers(40, 80))
def test_a_budget_of_tokens_moves_a_window_by_its_steps(n_history: int, step: int, tokens: int) -> None:
    fitted = fit(prompt(n_history, 3), Budget(tokens=tokens, history_step=step), words)
    titles = shown(fitted.segments).get(None, [])
    assert titles == [str(n) for n in range(n_history)][n_history - len(titles) :]
    assert fitted.n_tokens <= tokens
    assert fitted.dropped_history % step == 0 or len(titles) < step
