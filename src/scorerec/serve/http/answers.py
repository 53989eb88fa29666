"""From requests to answers: each function answers several requests of one kind, in the thread of the models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow.compute as pc

from scorerec.core.columns import ITEM_ID, LABEL, TIMESTAMP
from scorerec.core.errors import ScorerecError
from scorerec.data.additions import parse_additions
from scorerec.data.origin import Origin
from scorerec.serve.asked import Person, Wish
from scorerec.serve.http.messages import (
    BehavioursAnswer,
    BehavioursRequest,
    ExplainAnswer,
    ExplainRequest,
    ItemMessage,
    ItemsAnswer,
    KnownItem,
    Range,
    RecommendAnswer,
    RecommendRequest,
    ScoreAnswer,
    Scored,
    UserAnswer,
    VersionsMessage,
)
from scorerec.serve.http.once import Begun, Done, Once
from scorerec.serve.http.telling import (
    Pseudonyms,
    explanation_message,
    item_message,
    part_in_words,
    scored_message,
    versions,
)
from scorerec.serve.service import Service

_REASONS_TOGETHER = 4  # items whose reasons are asked for between two looks at the clock


class Search(NamedTuple):
    """Attributes: ``text``: of titles; ``n_items``: most items."""

    text: str
    n_items: int


class Titles(NamedTuple):
    """Attributes: ``field``: of a request; ``item_ids``: that it holds."""

    field: str
    item_ids: Sequence[str]


class Look(NamedTuple):
    """Attributes: ``user_id``: whom; ``n_latest``: items that are told."""

    user_id: str
    n_latest: int


class State(NamedTuple):
    """What is served.

    Attributes:
        folder: of the run.
        versions: of its parts.
        n_behaviours: that may be evidence.
        n_items: of the catalogue.
    """

    folder: str
    versions: VersionsMessage
    n_behaviours: int
    n_items: int


class Asked(NamedTuple):
    """A request, and who sent it.

    Attributes:
        request: of somebody.
        tells_all: whether what the LM read may be told of a known user: who compares it with what it reads of a
            stranger learns what they like.
    """

    request: Any
    tells_all: bool

    @property
    def may_tell(self) -> bool:
        """Whether what the LM read may be told."""
        return self.tells_all or self.request.user_id is None


class Write(NamedTuple):
    """Interactions to be added.

    Attributes:
        request: with them.
        once: what names it where it is done once.
    """

    request: BehavioursRequest
    once: Once | None = None


def scores(service: Service, asked: Sequence[Asked]) -> list[ScoreAnswer]:
    """Score items, those of all requests together."""
    found = service.score([(_person(service, one.request), one.request.items) for one in asked])
    answers = []
    for one, items in zip(asked, found, strict=True):
        name = Pseudonyms()
        told = [scored_message(service, item, name, one.may_tell) for item in items]
        answers.append(ScoreAnswer(versions=versions(service), items=told))
    return answers


def recommendations(service: Service, asked: Sequence[Asked]) -> list[RecommendAnswer]:
    """Recommend items, those of all requests scored together."""
    until = time.perf_counter() + service.config.seconds
    people = [_person(service, one.request) for one in asked]
    found = service.recommend([_wish(person, one.request) for person, one in zip(people, asked, strict=True)])
    answers = []
    for one, person, proposed in zip(asked, people, found, strict=True):
        name = Pseudonyms()
        items = [scored_message(service, each.item, name, one.may_tell) for each in proposed if each.is_scored]
        if one.request.explain:
            items = _with_reasons(service, person, items, until, name)
        rest = [
            Scored(item=item_message(service, each.item.item_id), p_yes=None) for each in proposed if not each.is_scored
        ]
        note = None if proposed else "Nothing that passes is left to recommend."
        if rest:
            note = (
                f"The time budget ({service.config.seconds:g} s) was spent after {len(items)} of these items: the "
                "others have no score, and stand in the order of the recommender alone."
            )
        answer = RecommendAnswer(versions=versions(service), items=[*items, *rest], scored=len(items), note=note)
        answers.append(answer)
    return answers


def _with_reasons(
    service: Service, person: Person, items: Sequence[Scored], until: float, name: Pseudonyms
) -> list[Scored]:
    """Return items with their reasons: of the best ones at least, and of others until time is up."""
    told: list[Scored] = []
    for start in range(0, len(items), _REASONS_TOGETHER):
        some = items[start : start + _REASONS_TOGETHER]
        if start and time.perf_counter() > until:
            return [*told, *items[start:]]
        reasons = service.explain([(person, one.item.item_id) for one in some])
        for one, why in zip(some, reasons, strict=True):
            told.append(one.model_copy(update={"explanation": explanation_message(service, why, name)}))
    return told


def explanations(service: Service, asked: Sequence[ExplainRequest]) -> list[ExplainAnswer]:
    """Explain scores, request by request."""
    return [_explained(service, one) for one in asked]


def _explained(service: Service, asked: ExplainRequest) -> ExplainAnswer:
    (why,) = service.explain([(_person(service, asked), asked.item)], asked.left_out)
    name = Pseudonyms()
    item = scored_message(service, why.item, name, True).model_copy(
        update={"explanation": explanation_message(service, why, name)}
    )
    return ExplainAnswer(
        versions=versions(service),
        item=item,
        p_yes_left=why.p_yes,
        parts=[part_in_words(service, why, part, name) for part in why.parts],
        prompt=service.prompt_text(why.segments) if asked.prompt else None,
    )


def added(service: Service, asked: Sequence[Write]) -> list[BehavioursAnswer]:
    """Add interactions, request by request; each is on disk, and noted as done, before the next."""
    answers = []
    for one in asked:
        done = Done(service.run.folder)
        begun = Begun(int(time.time()), None) if one.once is None else done.begin(one.once)
        if begun.answer is not None:
            answers.append(BehavioursAnswer.model_validate_json(begun.answer))
            continue
        answer = _added(service, one.request, begun.second)
        if one.once is not None:
            done.end(one.once, answer.model_dump_json())
        answers.append(answer)
    return answers


def _added(service: Service, asked: BehavioursRequest, now: int) -> BehavioursAnswer:
    given = asked.interactions
    for place, one in enumerate(given):
        service.items.require([one.item_id], f"interactions.{place}.item_id")
    columns: dict[str, Any] = {
        "user_id": [one.user_id for one in given],
        "item_id": [one.item_id for one in given],
        "timestamp": [now if one.timestamp is None else one.timestamp for one in given],
    }
    liked = [_is_liked(service, one.rating, one.liked) for one in given]
    frame = pl.LazyFrame({**columns, "label": liked})
    rows = parse_additions(
        frame, service.run.config.data.label, service.run.items[ITEM_ID], Origin(Path("interactions"), first_row=0)
    )
    found = service.add(rows)
    with suppress(ScorerecError):  # it is on disk: what cannot be read of it now is tried again at the next request
        service.refresh()
    return BehavioursAnswer(
        versions=versions(service), interactions=found.interactions, liked=found.liked, users=found.users
    )


def _is_liked(service: Service, rating: float | None, liked: bool | None) -> int:
    if liked is not None or rating is None:
        return int(liked is not False)
    rule = service.run.config.data.label
    return int(rating >= rule.threshold if rule.comparison == ">=" else rating > rule.threshold)


def users(service: Service, asked: Sequence[Look]) -> list[UserAnswer]:
    """Tell what is known of users."""
    return [_user(service, one) for one in asked]


def _user(service: Service, asked: Look) -> UserAnswer:
    known = service.known_of(asked.user_id)
    latest = known.slice(max(0, known.num_rows - asked.n_latest)).to_pylist()[::-1]
    return UserAnswer(
        versions=versions(service),
        user_id=asked.user_id,
        interactions=known.num_rows,
        liked=pc.sum(pc.equal(known[LABEL], 1)).as_py(),
        latest=[
            KnownItem(item=item_message(service, row[ITEM_ID]), timestamp=row[TIMESTAMP], liked=row[LABEL] == 1)
            for row in latest
        ],
    )


def items(service: Service, asked: Sequence[Search]) -> list[ItemsAnswer]:
    """Find items by their titles."""
    return [
        ItemsAnswer(
            versions=versions(service),
            items=[item_message(service, item) for item in service.items.search(one.text, one.n_items)],
            columns=service.items.columns,
        )
        for one in asked
    ]


def titles(service: Service, asked: Sequence[Titles]) -> list[list[ItemMessage]]:
    """Return items by their ids."""
    for one in asked:
        service.items.require(one.item_ids, one.field)
    return [[item_message(service, item) for item in one.item_ids] for one in asked]


def state(service: Service, asked: Sequence[None]) -> list[State]:
    """Tell an operator what is served."""
    folder, size = str(service.run.folder), len(service.items)
    return [State(folder, versions(service), service.n_behaviours, size) for _ in asked]


def refreshed(service: Service, asked: Sequence[Any]) -> list[VersionsMessage]:
    """Learn what was added or forgotten, which the thread does before each answer."""
    return [versions(service) for _ in asked]


def _person(service: Service, asked: Any) -> Person:
    return service.person(asked.user_id, asked.history, asked.dislikes)


def _wish(person: Person, asked: RecommendRequest) -> Wish:
    filters = {name: one.model_dump() if isinstance(one, Range) else one for name, one in asked.filters.items()}
    return Wish(person, asked.top_n, asked.exclude, filters, asked.include_seen)
