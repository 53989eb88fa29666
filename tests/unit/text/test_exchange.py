"""Parts of prompts change places, and nothing else does."""

from __future__ import annotations

from scorerec.text.exchange import names_target, with_evidence_of, with_history_of
from scorerec.text.segments import Segment, render


def prompt(history: str, others: dict[str, str], target: str, verdict: str = "") -> list[Segment]:
    """Return a prompt; each letter is a title."""
    segments = [
        Segment("wording", "Seen ["),
        *(Segment("history", one, one) for one in history),
        Segment("wording", "]"),
    ]
    for name, titles in others.items():
        segments.append(Segment("wording", "; others [", None, name))
        segments += [Segment("evidence", one, one, name) for one in titles]
        segments.append(Segment("wording", "]", None, name))
    segments += [Segment("wording", ". Like "), Segment("target", target, target)]
    return [*segments, *([Segment("verdict", verdict)] if verdict else []), Segment("wording", "?")]


ONE = prompt("ab", {"u": "cd", "v": "e"}, "x", " (1 of 2)")
OTHER = prompt("fgh", {"w": "xi"}, "y", " (3 of 4)")


def test_the_history_alone_is_exchanged() -> None:
    assert with_history_of(ONE, OTHER) == prompt("fgh", {"u": "cd", "v": "e"}, "x", " (1 of 2)")
    assert with_history_of(ONE, prompt("", {"w": "i"}, "y")) is None
    assert with_history_of(prompt("", {}, "x"), OTHER) is None


def test_evidence_is_exchanged_in_the_forms_that_both_show() -> None:
    found = with_evidence_of(ONE, OTHER)
    assert found == prompt("ab", {"w": "xi"}, "x", " (3 of 4)")
    assert render(found) == "Seen [a, b]; others [x, i]. Like x (3 of 4)?"
    assert with_evidence_of(ONE, prompt("f", {}, "y", " (3 of 4)")) == prompt(
        "ab", {"u": "cd", "v": "e"}, "x", " (3 of 4)"
    )
    assert with_evidence_of(ONE, prompt("f", {"w": "i"}, "y")) == prompt("ab", {"w": "i"}, "x", " (1 of 2)")
    assert with_evidence_of(prompt("ab", {}, "x"), OTHER) is None


def test_only_a_title_of_others_names_the_target() -> None:
    assert not names_target(ONE)
    assert not names_target(prompt("x", {"u": "cd"}, "x", "x"))
    assert names_target(prompt("a", {"u": "c", "v": "x"}, "x"))
