"""The three prompts of the paper, in its words: P^r and P^b (Section 3.3), P^s (Section 3.4).

The question at the end of P^b and P^s has a second, shorter wording, which small models understand sooner.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from scorerec.core.errors import DataError
from scorerec.text.describe import Describer
from scorerec.text.segments import Segment, place_of_target
from scorerec.text.wording import DomainWords

Question = Literal["paper", "short"]


def self_assessing(history: Sequence[str], target: str, describer: Describer, words: DomainWords) -> list[Segment]:
    """Return P^r, which asks an LLM what else would help to decide (Eq. 7).

    Args:
        history: item ids of the user, oldest first.
        target: item id.
        describer: writes the titles.
        words: the words of the domain.

    Raises:
        DataError: an item has no description.
    """
    return [
        _wording(f"The user has {words.consumed} the following {words.plural}: ["),
        *_titles("history", history, describer),
        _wording("]"),
        _wording(
            ". However, based on this list alone, it is not possible to confidently predict whether they "
            f"would {words.enjoy} the {words.singular} "
        ),
        _target(target, describer),
        _wording(
            f". What other {words.traits} related to their preferences, apart from the given history, "
            "could help in making a more informed decision?"
        ),
    ]


def basic(
    history: Sequence[str], target: str, describer: Describer, words: DomainWords, question: Question = "paper"
) -> list[Segment]:
    """Return P^b, the recommendation prompt without collaborative information.

    Args:
        history: ids of the items that the user liked, oldest first.
        target: item id.
        describer: writes the titles.
        words: the words of the domain.
        question: its wording.

    Raises:
        DataError: an item has no description.
    """
    if question == "short":
        opening, closing = f". Did the user like the {words.singular} ", "? Answer:"
    else:
        opening = (
            f". Based on this information, predict whether the user would {words.enjoy} the {words.singular} titled "
        )
        closing = ". Respond with either 'Yes' or 'No'."
    return [
        _wording(f"The user has {words.liked} the following {words.plural}: ["),
        *_titles("history", history, describer),
        _wording("]"),
        _wording(opening),
        _target(target, describer),
        _wording(closing),
    ]


def with_evidence(
    segments: Sequence[Segment],
    behind_history: Sequence[Segment],
    on_target: Sequence[Segment] = (),
    question: Question = "paper",
) -> list[Segment]:
    """Return P^b with evidence behind the history, and with evidence on the target.

    Args:
        segments: P^b.
        behind_history: as ``others_titles`` returns it.
        on_target: as ``verdicts.verdict`` returns it; it stands behind the target, and before a short question, which
            ends with the target.
        question: wording of ``segments``.
    """
    place = place_of_target(segments)
    before, asked, after = segments[: place - 1], segments[place - 1 : place + 1], segments[place + 1 :]
    if question == "short":
        return [*before, *behind_history, *on_target, *asked, *after]
    return [*before, *behind_history, *asked, *on_target, *after]


def augmented(
    history: Sequence[str],
    evidence: Sequence[tuple[str, Sequence[str]]],
    target: str,
    describer: Describer,
    words: DomainWords,
) -> list[Segment]:
    """Return P^s, the recommendation prompt with the behaviours of similar users; P^b where there are none.

    Args:
        history: ids of the items that the user liked, oldest first.
        evidence: (behaviour_id, its item ids, oldest first), the most useful behaviour first.
        target: item id.
        describer: writes the titles.
        words: the words of the domain.

    Raises:
        DataError: an item has no description, or a behaviour is given twice.
    """
    return with_evidence(basic(history, target, describer, words), others_titles(evidence, describer, words))


def others_titles(
    evidence: Sequence[tuple[str, Sequence[str]]],
    describer: Describer,
    words: DomainWords,
    marked: str | None = None,
) -> list[Segment]:
    """Return what similar users liked, as P^s tells it behind the history.

    Args:
        evidence: (behaviour_id, its item ids, oldest first), the most useful behaviour first.
        describer: writes the titles.
        words: the words of the domain.
        marked: an item that is said to be the one in question wherever it is among theirs.

    Raises:
        DataError: an item has no description, or a behaviour is given twice.
    """
    if len({behaviour_id for behaviour_id, _ in evidence}) < len(evidence):
        raise DataError(f"evidence names a behaviour twice: {[behaviour_id for behaviour_id, _ in evidence]}")
    segments: list[Segment] = []
    opening = f". Other users with similar preferences have {words.liked_by_others} the {words.plural}: ["
    for behaviour_id, item_ids in evidence:
        segments.append(_wording(opening, behaviour_id))
        titles = _titles("evidence", item_ids, describer, behaviour_id)
        segments.extend(mark(part, words) if part.item_id == marked else part for part in titles)
        segments.append(_wording("]", behaviour_id))
        opening = ", ["
    return segments


def mark(title: Segment, words: DomainWords) -> Segment:
    """Return a title that is said to be the one in question."""
    return title._replace(text=f"{title.text} (the {words.singular} in question)")


def without_behaviours(segments: Sequence[Segment], behaviour_ids: Collection[str]) -> list[Segment]:
    """Return P^s as ``augmented`` would have written it without some of its evidence.

    Args:
        segments: P^s.
        behaviour_ids: the behaviours that leave.
    """
    shown = [part for part in segments if part.behaviour_id is not None]
    left = [part for part in segments if part.behaviour_id not in behaviour_ids]
    first = next((place for place, part in enumerate(left) if part.behaviour_id is not None), None)
    if first is not None:  # the words that open the evidence stand before whichever behaviour is the first
        left[first] = left[first]._replace(text=shown[0].text)
    return left


def behaviour(item_ids: Sequence[str], describer: Describer) -> list[Segment]:
    """Return d(H(u)) as segments, so that a behaviour can be fitted to the budget of an encoder.

    Args:
        item_ids: oldest first.
        describer: writes the titles.

    Raises:
        DataError: an item has no description.
    """
    return [_wording("["), *_titles("history", item_ids, describer), _wording("]")]


def _wording(text: str, behaviour_id: str | None = None) -> Segment:
    return Segment("wording", text, None, behaviour_id)


def _target(item_id: str, describer: Describer) -> Segment:
    return Segment("target", describer.item(item_id), item_id)


def _titles(kind: str, item_ids: Sequence[str], describer: Describer, behaviour_id: str | None = None) -> list[Segment]:
    return [Segment(kind, describer.item(item_id), item_id, behaviour_id) for item_id in item_ids]
