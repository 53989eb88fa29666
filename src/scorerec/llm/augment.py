"""Augmentation: in each epoch a prompt shows other titles of the user's own, and of each similar user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

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
    return _sample(_by_behaviour(segments, "evidence").values(), segments, most_titles, rng)


def sample_alike(
    prompts: Sequence[Sequence[Segment]], kind: str, most_titles: int | None, rng: np.random.Generator
) -> list[list[Segment]]:
    """Return prompts with a random part of their titles of one kind, so that those that begin alike go on doing so.

    Lists of which each begins with the one before share a draw: a share of titles, evenly from 0 to 1 (or to
    ``most_titles`` of the longest list), and a number for each place; a title whose number is below the share stays. A
    list that would lose all keeps the title with the smallest number. Evidence shares a draw behind the same history.

    Args:
        prompts: as for ``sample_history``.
        kind: of the titles: history, dislike or evidence, of which each similar user has a list.
        most_titles: how many titles of a list are shown at most; None is no limit.
        rng: draws.
    """
    lists: list[tuple[tuple[str, ...], int, list[int]]] = []  # what it begins with and holds; prompt; places
    for number, segments in enumerate(prompts):
        before = [part.text for part in segments if part.kind == "history"] if kind == "evidence" else []
        for behaviour, places in _by_behaviour(segments, kind).items():
            lists.append(((*before, behaviour or "", *(segments[place].text for place in places)), number, places))
    left_out: list[set[int]] = [set() for _ in prompts]
    for chain in _chains(sorted(lists)):
        longest = max(len(places) for _, _, places in chain)
        share = rng.random() * min(1.0, (longest if most_titles is None else most_titles) / longest)
        numbers = rng.random(longest)
        for _, number, places in chain:
            own = numbers[: len(places)]
            is_kept = own <= max(share, own.min())
            left_out[number] |= {place for place, kept in zip(places, is_kept.tolist(), strict=True) if not kept}
    return [
        [segment for place, segment in enumerate(segments) if place not in out]
        for segments, out in zip(prompts, left_out, strict=True)
    ]


def _chains(
    lists: Sequence[tuple[tuple[str, ...], int, list[int]]],
) -> Iterator[list[tuple[tuple[str, ...], int, list[int]]]]:
    """Yield runs of sorted lists of which each begins with all of the one before."""
    chain = list(lists[:1])
    for before, present in pairwise(lists):
        if present[0][: len(before[0])] != before[0]:
            yield chain
            chain = []
        chain.append(present)
    if chain:
        yield chain


def _places(segments: Sequence[Segment], kind: str) -> list[int]:
    return [place for place, segment in enumerate(segments) if segment.kind == kind]


def _by_behaviour(segments: Sequence[Segment], kind: str) -> dict[str | None, list[int]]:
    """Return the places of each list of a kind: of the user's own, and of each similar user."""
    found: dict[str | None, list[int]] = {}
    for place in _places(segments, kind):
        found.setdefault(segments[place].behaviour_id, []).append(place)
    return found


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
