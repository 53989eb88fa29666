"""The counts that the paper reports, to stand beside those of a prepared data set; nothing enforces them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from scorerec.core.tables import SPLITS

ExpectedName: TypeAlias = Literal["none", "ml-1m", "games"]

_PADDED = "Table 1 of the paper, whose users and items count a padding id"
# Table 1: where the counts are from; rows of train, valid and test; users; items.
_REPORTED: dict[str, tuple[str, tuple[int, int, int], int, int]] = {
    "ml-1m": (_PADDED, (33_891, 10_401, 7_331), 839, 3_256),
    "games": ("Table 1 of the paper", (261_144, 14_423, 14_424), 35_812, 11_987),
}


@dataclass(frozen=True)
class Counts:
    """Counts beside those that somebody reports.

    Attributes:
        origin: who reports them, and what to know about them.
        rows: what is counted, how many are here, how many are reported.
    """

    origin: str
    rows: list[tuple[str, int, int]]


def compare(notes: Mapping[str, Any], name: ExpectedName) -> Counts | None:
    """Return the counts of ``data.prepare.Prepared.notes`` beside the reported ones; None where none are.

    >>> part = {"rows": 7}
    >>> notes = {"parts": {"train": part, "valid": part, "test": part}, "users": 4, "items": 5}
    >>> compare(notes, "ml-1m").rows[-2:]
    [('users', 4, 839), ('items', 5, 3256)]
    """
    if name == "none":
        return None
    origin, rows, users, items = _REPORTED[name]
    counted = [(f"{part} rows", notes["parts"][part]["rows"], there) for part, there in zip(SPLITS, rows, strict=True)]
    return Counts(origin, [*counted, ("users", notes["users"], users), ("items", notes["items"], items)])
