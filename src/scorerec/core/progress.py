"""Progress bars with rate and time left; silent where the output is not a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(items: Iterable[T], description: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Yield ``items`` while showing a bar on the terminal.

    Args:
        items: any; each is yielded as it comes.
        description: what stands before the bar.
        total: how many items there are; None: their length, or unknown where they have none.
        unit: what one item is called.

    >>> list(progress([1, 2], "counting"))
    [1, 2]
    """
    return iter(tqdm(items, desc=description, total=total, unit=unit, disable=None, leave=False))
