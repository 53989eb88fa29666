"""How answers tell what was found: items by titles, similar users by pseudonyms, users to who may know them."""

from __future__ import annotations

import string
from collections.abc import Callable
from itertools import count, product

from scorerec.pipeline.recommend import Recommendation
from scorerec.serve.asked import Explanation
from scorerec.serve.http.messages import (
    ExplanationMessage,
    ItemMessage,
    Neighbour,
    ReasonMessage,
    Scored,
    VersionsMessage,
)
from scorerec.serve.service import Service
from scorerec.serve.words import in_words
from scorerec.text.parts import Part


class Pseudonyms:
    """What similar users are called in one answer: letters, in the order in which they come.

    >>> names = Pseudonyms()
    >>> names("u7"), names("u3"), names("u7")
    ('A', 'B', 'A')
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._left = ("".join(letters) for n in count(1) for letters in product(string.ascii_uppercase, repeat=n))

    def __call__(self, user_id: str) -> str:
        """Return what a user is called."""
        if user_id not in self._names:
            self._names[user_id] = next(self._left)
        return self._names[user_id]


def versions(service: Service) -> VersionsMessage:
    """Return what an answer was made with."""
    found = service.versions
    return VersionsMessage(model=found.model, corpus=found.corpus, snapshot=found.snapshot, stand_ins=service.stand_ins)


def item_message(service: Service, item_id: str) -> ItemMessage:
    """Return an item with what the catalogue says of it."""
    argues = item_id in service.run.renamed
    return ItemMessage(
        item_id=item_id, title=service.items.title(item_id), argues=argues, facts=service.items.facts(item_id)
    )


def scored_message(service: Service, found: Recommendation, name: Pseudonyms, may_tell: bool) -> Scored:
    """Return a scored item, with what the LM read of others where that may be told.

    Args:
        service: that scored it.
        found: the item.
        name: what similar users are called in this answer.
        may_tell: whether it may.
    """
    if not may_tell:
        return Scored(item=item_message(service, found.item_id), p_yes=found.p_yes)
    neighbours = [
        Neighbour(name=name(one.user_id), titles=list(one.titles), has_item=one.has_item) for one in found.evidence
    ]
    return Scored(
        item=item_message(service, found.item_id), p_yes=found.p_yes, neighbours=neighbours, told=found.verdict
    )


def explanation_message(service: Service, why: Explanation, name: Pseudonyms) -> ExplanationMessage:
    """Return the reasons of a score, for programs and in words.

    Args:
        service: that explained it.
        why: the reasons.
        name: what similar users are called in this answer.
    """
    called = _called(why, name)
    title = service.items.title
    places = {part: place for place, part in enumerate(why.parts)}
    return ExplanationMessage(
        p_without_evidence=why.reasons.p_without_evidence,
        reasons=[
            ReasonMessage(
                part=places[one.part],
                kind=one.part.kind,
                neighbour=called(one.part.key) if one.part.kind == "neighbour" else None,
                titles=[title(item) for item in one.part.item_ids],
                told=one.part.key if one.part.kind == "told" else None,
                p_without=one.p_without,
                fall=one.fall,
            )
            for one in why.reasons.reasons
        ],
        in_words=in_words(why.reasons, service.title, called, service.run.prompter.words),
    )


def part_in_words(service: Service, why: Explanation, part: Part, name: Pseudonyms) -> str:
    """Return what a person may leave out of a prompt.

    Args:
        service: that explained it.
        why: the reasons.
        part: of its prompt.
        name: what similar users are called in this answer.
    """
    if part.kind == "told":
        return part.key
    titles = ", ".join(map(service.title, part.item_ids))
    if part.kind == "neighbour":
        return f"{service.run.prompter.words.person} {_called(why, name)(part.key)}: {titles}"
    return titles


def _called(why: Explanation, name: Pseudonyms) -> Callable[[str], str]:
    """Return what the similar user of a behaviour is called."""
    return lambda behaviour: name(why.owners[behaviour])
