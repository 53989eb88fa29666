"""What a catalogue says of its items beside the title, as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.columns import ITEM_ID, TITLE
from scorerec.text.describe import values_of

Floats = npt.NDArray[np.float64]

_MOST_VALUES = 64
_LONGEST = 60  # characters: what is longer is a text and no category


class Content:
    """Values, such as genres, and numbers, such as the year, of each item.

    Args:
        items: ITEMS.

    Attributes:
        values: which of the most frequent values an item has, each of two items at least, (1 + items, V); row 0: of an
            item that is not known.
        numbers: standardised, 0 where an item has none, (1 + items, M).

    >>> genres = [["War"], ["War", "Drama"]]
    >>> table = {"item_id": ["a", "b"], "title": ["A", "B"], "genres": genres, "year": [1990, 2000]}
    >>> content = Content(pa.table(table))
    >>> content.values.tolist(), content.numbers.tolist()
    ([[0.0], [1.0], [1.0]], [[0.0], [-1.0], [1.0]])
    """

    def __init__(self, items: pa.Table):
        ids = items[ITEM_ID].to_pylist()
        self._place = {item: place for place, item in enumerate(ids, start=1)}
        told = [name for name in items.column_names if name not in (ITEM_ID, TITLE)]
        is_number = [
            pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in (items[name].type for name in told)
        ]
        columns = {name: items[name].to_pylist() for name in told}
        said = [
            set(_said(columns, place, [name for name, one in zip(told, is_number, strict=True) if not one]))
            for place in range(len(ids))
        ]
        counts = Counter(value for one in said for value in sorted(one))
        kept = sorted(value for value, count in counts.most_common(_MOST_VALUES) if count > 1)
        self.values = np.array(
            [[0.0] * len(kept), *([value in one for value in kept] for one in said)], np.float64
        ).reshape(len(ids) + 1, len(kept))
        numbers = [_standardised(columns[name]) for name, one in zip(told, is_number, strict=True) if one]
        self.numbers = (
            np.concatenate([np.zeros((1, len(numbers))), np.stack(numbers, axis=1)])
            if numbers
            else np.zeros((len(ids) + 1, 0))
        )

    def places(self, item_ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the row of each item, (N,)."""
        return np.array([self._place.get(item, 0) for item in item_ids], np.int64)


def _said(columns: dict[str, list[object]], place: int, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        yield from ((name, value) for value in values_of(columns[name][place]) if len(value) <= _LONGEST)


def _standardised(column: Sequence[float | None]) -> Floats:
    numbers = np.array([np.nan if value is None else value for value in column], np.float64)
    is_known = np.isfinite(numbers)
    if not is_known.any():
        return np.zeros(len(numbers))
    spread = numbers[is_known].std()
    return np.where(is_known, (numbers - numbers[is_known].mean()) / (spread if spread > 0 else 1.0), 0.0)
