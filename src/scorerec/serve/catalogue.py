"""The items of a run, for people: found by words of their title, and chosen by what else is known of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import ITEM_ID, LABEL, TITLE
from scorerec.core.errors import DataError
from scorerec.text.describe import values_of

Bound = float | int
Filter = str | Bound | bool | Sequence[str | Bound] | Mapping[str, Bound | None]
_FIND = "GET /v1/items?q=... finds items by their titles"
_WORD = re.compile(r"\w+")


class ItemList:
    """All items.

    Args:
        items: ITEMS.
        popularity: item_id -> how many users liked it; of equally good finds the more popular one comes first.
    """

    def __init__(self, items: pa.Table, popularity: Mapping[str, int]):
        self._rows = {row[ITEM_ID]: row for row in items.to_pylist()}
        self.columns = [name for name in items.column_names if name not in (ITEM_ID, TITLE)]
        order = sorted(self._rows, key=lambda item: (-popularity.get(item, 0), self.title(item)))
        self._words = {item: f" {' '.join(_WORD.findall(self.title(item).casefold()))}" for item in order}

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def title(self, item_id: str) -> str:
        """Return the title of an item."""
        return str(self._rows[item_id][TITLE])

    def facts(self, item_id: str) -> dict[str, Any]:
        """Return what else is known of an item, by column."""
        return {name: self._rows[item_id][name] for name in self.columns}

    def require(self, item_ids: Iterable[str], field: str) -> None:
        """Refuse items that the catalogue lacks.

        Args:
            item_ids: that were given.
            field: where; the message names it.

        Raises:
            NotThereError: one is not there.
        """
        if unknown := [item for item in item_ids if item not in self._rows]:
            shown = ", ".join(map(repr, unknown[:5]))
            raise NotThereError(f"no item {shown} in the catalogue of {len(self)} items", field, _FIND)

    def search(self, text: str, count: int) -> list[str]:
        """Return the items whose titles have words that begin like each word of a text, the most popular first.

        >>> rows = {"item_id": ["1", "2"], "title": ["Heat (1995)", "The Wheat (1990)"]}
        >>> ItemList(pa.table(rows), {}).search("hea", 5)
        ['1']
        """
        wanted = [f" {word}" for word in _WORD.findall(text.casefold())]
        found = (item for item, words in self._words.items() if all(word in words for word in wanted))
        return [item for item, _ in zip(found, range(count), strict=False)] if wanted else []

    def chosen(self, filters: Mapping[str, Filter]) -> set[str] | None:
        """Return the items that pass every filter; None: there is no filter.

        A column passes where it is, or holds, one of the values given; numbers also between ``min`` and ``max``.

        Raises:
            NotThereError: the items have no such column, or a bound is set where no number stands.
        """
        if not filters:
            return None
        for name, wanted in filters.items():
            if name not in self.columns:
                known = ", ".join(self.columns) or "none"
                raise NotThereError(f"items have no {name!r}; they have {known}", f"filters.{name}", "filter by these")
            if isinstance(wanted, Mapping) and not self._is_number(name):
                raise NotThereError(f"{name!r} holds no numbers", f"filters.{name}", "give a value, or several")
        return {item for item, row in self._rows.items() if all(_passes(row[name], w) for name, w in filters.items())}

    def _is_number(self, name: str) -> bool:
        return all(isinstance(row[name], int | float | None) for row in self._rows.values())


class NotThereError(DataError):
    """A request names what is not there: an item, a column, a part of a prompt.

    Attributes:
        field: of the request that names it.
        remedy: what to do.
    """

    def __init__(self, message: str, field: str, remedy: str):
        super().__init__(message)
        self.field, self.remedy = field, remedy


def popularity(interactions: pa.Table) -> dict[str, int]:
    """Return how many of the INTERACTIONS like each item."""
    liked = interactions.filter(pc.equal(interactions[LABEL], 1))
    counted = liked.group_by(ITEM_ID).aggregate([([], "count_all")])
    return dict(zip(counted[ITEM_ID].to_pylist(), counted["count_all"].to_pylist(), strict=True))


def _passes(value: Any, wanted: Filter) -> bool:
    if isinstance(wanted, Mapping):
        low, high = wanted.get("min"), wanted.get("max")
        return value is not None and (low is None or value >= low) and (high is None or value <= high)
    return not set(values_of(wanted)).isdisjoint(values_of(value))
