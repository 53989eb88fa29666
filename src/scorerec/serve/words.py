"""Reasons in words for a person: what was read, and the probability without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scorerec.pipeline.reasons import Reason, Reasons
from scorerec.text.wording import DomainWords

_LEAST = 0.005  # what moves p(Yes) by less is not told
_MOST = 4

Title = Callable[[str], str]
Name = Callable[[str], str]  # behaviour_id -> what the similar user is called here


def in_words(reasons: Reasons, title: Title, name: Name, words: DomainWords) -> list[str]:
    """Return what moved a score, the strongest first, and what all evidence together did.

    Args:
        reasons: of one item.
        title: item_id -> its title.
        name: what similar users are called.
        words: of the domain.
    """
    strongest = sorted(reasons.reasons, key=lambda reason: -abs(reason.fall))[:_MOST]
    told = [_sentence(one, reasons.p_yes, title, name, words) for one in strongest if abs(one.fall) >= _LEAST]
    return [*told, *_of_all(reasons)]


def percent(p_yes: float) -> str:
    """Return a probability as people read it.

    >>> percent(0.744), percent(0.004), percent(0.998)
    ('74%', 'under 1%', 'over 99%')
    """
    if 0.01 <= p_yes <= 0.99:
        return f"{round(100 * p_yes)}%"
    return "under 1%" if p_yes < 0.5 else "over 99%"


def _sentence(reason: Reason, p_yes: float, title: Title, name: Name, words: DomainWords) -> str:
    part = reason.part
    titles = _listed([title(item) for item in part.item_ids])
    if part.kind == "neighbour":
        what = f"{words.person.capitalize()} {name(part.key)}, who is like them, liked {titles}"
    elif part.kind == "told":
        what = part.key
    else:
        what = f"They {'liked' if part.kind == 'title' else 'did not like'} {titles}"
    without = f"without that {percent(reason.p_without)} instead of {percent(p_yes)}"
    return f"{what}: {without}" + ("." if reason.fall > 0 else ", so it speaks against it.")


def _of_all(reasons: Reasons) -> Iterator[str]:
    without = reasons.p_without_evidence
    n_parts = sum(reason.part.is_evidence for reason in reasons.reasons)
    if without is not None and n_parts > 1:
        yield f"Without all that is told of others: {percent(without)} instead of {percent(reasons.p_yes)}."
    if not any(abs(reason.fall) >= _LEAST for reason in reasons.reasons):
        yield f"No single part of what was read moves the answer, {percent(reasons.p_yes)}, by half a percent."


def _listed(titles: list[str]) -> str:
    """Return titles as people list them.

    >>> _listed(["A"]), _listed(["A", "B", "C"])
    ('A', 'A, B and C')
    """
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}" if titles else "nothing"
