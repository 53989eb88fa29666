"""Augmentation: in each epoch a prompt shows other titles of the user's own, and of each similar user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from scorerec.text.segments import Segment


def sample_history(segments: Sequence[Segment], most_titles: int | None, rng: np.random.Generator) -> list[Segment]:
    """Return the prompt with a random part of its history titles, in their order, and of what the user did not like.

    Their number is drawn evenly from 1 to ``most_titles`` (or to all that there are), then the titles. Of the dislikes,
    which no budget counts, it is drawn from 1 to all that there are.

    Args:
        segments: a prompt; it may hold more titles than the model is shown later.
        most_titles: how many titles of the history are shown at most; None is no limit.
        rng: draws the titles.
    """
    shown = _sample([_places(segments, "history")], segments, most_titles, rng)
    return _sample([_places(shown, "dislike")], shown, None, rng)


def sample_evidence(segments: Sequence[Segment], most_titles: int | None, rng: np.random.Generator) -> list[Segment]:
    """Return the prompt with a random part of each similar user's titles, drawn as ``sample_history`` does.

    Args:
        segments: a prompt; it may hold more titles than the model is shown later.
        most_titles: how many titles of one user are shown at most; None is no limit.
        rng: draws the titles.
    """
    by_user: dict[str | None, list[int]] = {}
    for place, segment in enumerate(segments):
        if segment.kind == "evidence":
            by_user.setdefault(segment.behaviour_id, []).append(place)
    return _sample(by_user.values(), segments, most_titles, rng)


def _places(segments: Sequence[Segment], kind: str) -> list[int]:
    return [place for place, segment in enumerate(segments) if segment.kind == kind]


def _sample(
    lists: Iterable[Sequence[int]], segments: Sequence[Segment], most_titles: int | None, rng: np.random.Generator
) -> list[Segment]:
    """Return the segments with a random part of each list, given as places among them."""
    left_out: set[int] = set()
    for places in lists:
        most = len(places) if most_titles is None else min(most_titles, len(places))
        if most:
            count = int(rng.integers(1, most + 1))
            left_out |= set(places) - {places[index] for index in rng.permutation(len(places))[:count]}
    return [segment for place, segment in enumerate(segments) if place not in left_out]
