"""History augmentation: in each epoch a prompt shows another part of the user's history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scorerec.text.segments import Segment


def sample_history(segments: Sequence[Segment], most_titles: int | None, rng: np.random.Generator) -> list[Segment]:
    """Return the prompt with a random part of its history titles, in their order.

    Their number is drawn evenly from 1 to ``most_titles`` (or to all that there are), then the titles.

    Args:
        segments: a prompt; it may hold more titles than the model is shown later.
        most_titles: how many titles are shown at most; None is no limit.
        rng: draws the titles.
    """
    places = [place for place, segment in enumerate(segments) if segment.kind == "history"]
    most = len(places) if most_titles is None else min(most_titles, len(places))
    if most == 0:
        return list(segments)
    count = int(rng.integers(1, most + 1))
    left_out = set(places) - {places[index] for index in rng.permutation(len(places))[:count]}
    return [segment for place, segment in enumerate(segments) if place not in left_out]
