"""What requests and answers look like; the OpenAPI document is made from this."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

_LATEST_SECOND = 4_102_444_799  # of 2099
MOST_ITEMS, MOST_HISTORY, MOST_INTERACTIONS = 500, 2000, 1000  # of one request
Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Probability = Annotated[float, Field(ge=0, le=1)]
Bound = int | float
PartNumber = Annotated[int, Field(ge=0, le=10_000)]


class Message(BaseModel):
    """Base of all: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(Message):
    """Numbers from ``min`` to ``max``, both included."""

    min: Bound | None = Field(None, allow_inf_nan=False)
    max: Bound | None = Field(None, allow_inf_nan=False)


_KNOWN: dict[str, Any] = {"dislikes": {"maxItems": 0}}
_SOMEBODY: dict[str, Any] = {
    "anyOf": [
        {"required": ["user_id"], "properties": {"user_id": {"type": "string"}} | _KNOWN},
        {"required": ["history"], "properties": {"history": {"type": "array"}} | _KNOWN},
        {"required": ["history"], "properties": {"history": {"type": "array"}, "user_id": {"type": "null"}}},
    ]
}


def _like(**example: Any) -> dict[str, Any]:
    """Return what the document says of a request of somebody, with an example."""
    return _SOMEBODY | {"example": example}


class OfSomebody(Message):
    """Who is asked for: a user who is known, or anybody by what they liked."""

    user_id: Id | None = Field(None, description="a user of the data, or of whom behaviours were added")
    history: list[Id] | None = Field(
        None,
        max_length=MOST_HISTORY,
        description="ids of liked items, oldest first; with a user_id, in place of what is known of them",
    )
    dislikes: list[Id] = Field(
        [],
        max_length=MOST_HISTORY,
        description="beside a history, without a user_id: ids of items that they did not like, oldest first: not "
        "recommended again, and read by a run that knows dislikes; one in the history is liked",
    )

    @model_validator(mode="after")
    def _somebody(self) -> OfSomebody:
        if self.user_id is None and self.history is None:
            raise ValueError("wanted a user_id or a history, got neither")
        if self.dislikes and self.user_id is not None:
            raise ValueError("wanted dislikes without a user_id: what a user did not like is known, or added to it")
        return self


class ScoreRequest(OfSomebody):
    """Items to be scored."""

    items: list[Id] = Field(min_length=1, max_length=MOST_ITEMS, description="ids of items")

    model_config = ConfigDict(json_schema_extra=_like(history=["1", "50"], items=["181", "100"]))


class RecommendRequest(OfSomebody):
    """Somebody who wants to be recommended items."""

    top_n: int = Field(10, ge=1, le=MOST_ITEMS, description="how many")
    exclude: list[Id] = Field([], max_length=MOST_HISTORY, description="ids of items that are not wanted")
    filters: dict[Id, Id | Bound | bool | list[Id | Bound] | Range] = Field(
        {},
        description="column of the items -> a value, several of which one must be there, or {min, max}",
        max_length=20,
        json_schema_extra={"additionalProperties": False},
    )
    include_seen: bool = Field(False, description="whether items that they have rated may come again")
    explain: bool = Field(False, description="say of the best items why they have their scores, as far as time goes")

    model_config = ConfigDict(
        json_schema_extra=_SOMEBODY
        | {"example": {"history": ["1", "50"], "top_n": 5, "filters": {"genres": ["Drama"]}}}
    )


class ExplainRequest(OfSomebody):
    """An item whose score is to be explained."""

    item: Id = Field(description="id of the item")
    left_out: list[PartNumber] = Field(
        [], max_length=200, description="parts that are left out, by the numbers that an answer without any gave them"
    )
    prompt: bool = Field(False, description="whether the exact prompt is told")

    model_config = ConfigDict(json_schema_extra=_like(history=["1", "50"], item="181"))


class Interaction(Message):
    """Something that a user did."""

    user_id: Id
    item_id: Id
    timestamp: int | None = Field(None, ge=0, le=_LATEST_SECOND, description="UTC seconds; default: now")
    rating: float | None = Field(
        None, allow_inf_nan=False, ge=-1e6, le=1e6, description="turned into liked or not as the run does"
    )
    liked: bool | None = Field(None, description="default: what the rating says; liked, where there is none")


class BehavioursRequest(Message):
    """New interactions."""

    interactions: list[Interaction] = Field(min_length=1, max_length=MOST_INTERACTIONS)

    model_config = ConfigDict(
        json_schema_extra={"example": {"interactions": [{"user_id": "new", "item_id": "50", "liked": True}]}}
    )


class VersionsMessage(Message):
    """What an answer was made with."""

    model: str = Field(description="fingerprint of the tuned LM")
    corpus: str = Field(description="fingerprint of the corpus, and of what was added to it")
    snapshot: int = Field(description="UTC second of the latest interaction that is known")
    stand_ins: list[str] = Field(description="parts that stand in for larger ones")


class Answer(Message):
    """Base of all answers: each names what it was made with."""

    versions: VersionsMessage


class ItemMessage(Message):
    """An item of the catalogue."""

    item_id: str
    title: str
    argues: bool = Field(False, description="whether its title moves the LM further than titles do: it is not read")
    facts: dict[str, Any] = Field({}, description="what else is known of it, by column")


class Neighbour(Message):
    """A similar user whose behaviour the LM read; who it is is never told."""

    name: str = Field(description="a letter, the same for one user within an answer")
    titles: list[str]
    has_item: bool = Field(description="whether the item itself is among these")


class ReasonMessage(Message):
    """A part of what the LM read, and the answer without it."""

    part: int = Field(description="its number, for left_out")
    kind: Literal["title", "dislike", "neighbour", "told"] = Field(
        description="a title of their own, one that they did not like, a similar user, or what is told of the item"
    )
    neighbour: str | None = Field(None, description="the letter of the similar user")
    titles: list[str] = Field([], description="titles that go")
    told: str | None = Field(None, description="the sentence that goes")
    p_without: Probability = Field(description="probability of Yes without it")
    fall: float = Field(description="by how much that is lower; negative: the part speaks against the item")


class ExplanationMessage(Message):
    """Why an item has its score: what the answer is without each part."""

    p_without_evidence: Probability | None = Field(None, description="without all that is told of others")
    reasons: list[ReasonMessage] = Field(description="the one without which the score falls most first")
    in_words: list[str]


class Scored(Message):
    """An item, its score, and what the LM read of others."""

    item: ItemMessage
    p_yes: Probability | None = Field(None, description="probability of Yes; null where time did not suffice")
    neighbours: list[Neighbour] = []
    told: str = Field("", description="what is told of the item")
    explanation: ExplanationMessage | None = None


class ScoreAnswer(Answer):
    """Items in the order of the request."""

    items: list[Scored]


class RecommendAnswer(Answer):
    """Items, the best first."""

    items: list[Scored]
    scored: int = Field(description="how many of them the LM scored")
    note: str | None = Field(None, description="what is to be known of their order")


class ExplainAnswer(Answer):
    """Why an item has its score."""

    item: Scored
    p_yes_left: Probability = Field(description="probability of Yes without the parts that were left out")
    parts: list[str] = Field(description="what the LM reads, part by part, in the order of their numbers")
    prompt: str | None = Field(None, description="exactly as the LM reads it; p_yes is its answer")


class BehavioursAnswer(Answer):
    """What was added; it is on disk, and known at the next request."""

    interactions: int = Field(description="of the request")
    liked: int
    users: int


class KnownItem(Message):
    """Something that a user did."""

    item: ItemMessage
    timestamp: int
    liked: bool


class UserAnswer(Answer):
    """What is known of a user."""

    user_id: str
    interactions: int
    liked: int
    latest: list[KnownItem] = Field(description="the latest first, as many as were asked for")


class ForgottenAnswer(Answer):
    """What forgetting a user came to."""

    rows: int = Field(description="rows that went, of all tables and indexes")
    prompts_changed: int = Field(description="prompts of others that no longer show the user")
    not_unlearnt: list[str] = Field(description="models that were trained with the user, and are not trained anew")


class ItemsAnswer(Answer):
    """Items that were found."""

    items: list[ItemMessage]
    columns: list[str] = Field(description="what filters may name")


class Health(Message):
    """Whether it serves."""

    status: Literal["ok"] = "ok"
