"""What a collection has to do: the distinct prompts, those that the store can answer, and what they cost so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

from scorerec.assess.assessor import NOTHING, Reply, Tokens
from scorerec.assess.limits import spent_on
from scorerec.assess.store import ReplyStore, reply_key
from scorerec.text.segments import Segment, render

AssessmentRequest = tuple[str, Sequence[Segment]]  # (target_id, P^r)


class Prompt(NamedTuple):
    """One distinct P^r, typed and as text."""

    segments: Sequence[Segment]
    text: str


@dataclass(frozen=True)
class Plan:
    """A collection before its first call.

    Attributes:
        keys: target_id -> key of its prompt.
        prompts: every distinct prompt by key.
        replies: those that the store has, by key.
        spent: tokens that earlier runs spent on these prompts, replies that could not be used included.
    """

    keys: Mapping[str, str]
    prompts: Mapping[str, Prompt]
    replies: Mapping[str, Reply]
    spent: Tokens

    @property
    def pending(self) -> dict[str, Prompt]:
        """The prompts that have to be asked."""
        return {key: prompt for key, prompt in self.prompts.items() if key not in self.replies}


def make_plan(requests: Sequence[AssessmentRequest], identity: Mapping[str, Any], store: ReplyStore | None) -> Plan:
    """Return what is to be asked of the assessor with this identity.

    Args:
        requests: (target_id, P^r).
        identity: of the assessor: what replies are kept under beside the prompt.
        store: where replies are kept; None is as an empty one.
    """
    keys: dict[str, str] = {}
    prompts: dict[str, Prompt] = {}
    for target_id, segments in requests:
        text = render(segments)
        keys[target_id] = reply_key(identity, text)
        prompts.setdefault(keys[target_id], Prompt(segments, text))
    if store is None:
        return Plan(keys, prompts, {}, NOTHING)
    replies = {key: reply for key in prompts if (reply := store.find(key)) is not None}
    wasted = store.wasted()
    costs = [spent_on(prompts[key].text, reply) for key, reply in replies.items()]
    costs += [wasted[key] for key in prompts.keys() & wasted.keys()]
    return Plan(keys, prompts, replies, reduce(Tokens.plus, costs, NOTHING))
