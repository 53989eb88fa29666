"""d(.): how an item and a behaviour are written in natural language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from scorerec.core.columns import ITEM_ID, TITLE
from scorerec.core.config import Config
from scorerec.core.errors import ConfigError, DataError
from scorerec.text.cleaning import bare, clean, one_kind_of_quotes, quote, shorten
from scorerec.text.titles import prose_order

Items = Mapping[str, Mapping[str, object]]


class DescribeConfig(Config):
    """What d(.) says about an item."""

    metadata: tuple[str, ...] = Field(
        default=(), description="columns of the items table to name after the title, in this order"
    )
    max_title_characters: int = Field(
        default=200, ge=20, description="longer titles and metadata values end in an ellipsis"
    )
    title_order: Literal["prose", "catalogue"] = Field(
        default="prose",
        description="where an article stands: The Matrix, as prose has it, or Matrix, The, as catalogues file it",
    )

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides a result; the order of catalogues is not said, which was the only one once."""
        found = super().decisive
        return {name: value for name, value in found.items() if (name, value) != ("title_order", "catalogue")}


class Describer:
    """Writes the items of one catalogue.

    A title is cleaned once (see ``text.cleaning``), put into prose's order (see ``text.titles``), and quoted like a
    Python string, as in Appendix D of the paper. An item with an empty title is called ``Untitled item`` and its id.
    Metadata that an item lacks is left out.

    Args:
        items: item_id -> its row of the items table (``title`` and metadata).
        config: what to say.
        renamed: item_id -> what stands in d(v) for its title and all that is told of it.

    >>> items = {
    ...     "1": {"title": "Dogma (1999)"},
    ...     "2": {"title": "Schindler's List (1993)", "genres": ["Drama", "War"]},
    ... }
    >>> print(Describer(items).behaviour(["1", "2"]))
    ['Dogma (1999)', "Schindler's List (1993)"]
    >>> print(Describer(items, DescribeConfig(metadata=("genres",))).item("2"))
    "Schindler's List (1993)" (genres: Drama, War)

    Raises:
        ConfigError: no item has one of the metadata columns.
    """

    def __init__(
        self, items: Items, config: DescribeConfig | None = None, renamed: Mapping[str, str] = MappingProxyType({})
    ):
        self.items = items
        self.config = config or DescribeConfig()
        self._titles: dict[str, str] = {}
        self._written = {item_id: quote(name) for item_id, name in renamed.items()}
        self._renamed = renamed
        _check_metadata(items, self.config.metadata)

    def title(self, item_id: str) -> str:
        """Return the cleaned title, without quotes.

        Raises:
            DataError: the catalogue has no such item.
        """
        if item_id not in self._titles:
            whole = self._whole_title(item_id)
            self._titles[item_id] = shorten(whole, self.config.max_title_characters)
        return self._titles[item_id]

    def item(self, item_id: str) -> str:
        """Return d(v): the quoted title, followed by the chosen metadata in parentheses.

        Raises:
            DataError: the catalogue has no such item.
        """
        if item_id not in self._written:
            self._written[item_id] = quote(self.title(item_id)) + self._details(item_id)
        return self._written[item_id]

    def behaviour(self, item_ids: Sequence[str]) -> str:
        """Return d(H(u)): the list of the items, in the order given.

        Raises:
            DataError: the catalogue lacks one of the items.
        """
        return f"[{', '.join(map(self.item, item_ids))}]"

    def shortened(self) -> list[str]:
        """Return the ids of the items whose title is over the limit, so that a run can say how many."""
        limit = self.config.max_title_characters
        return [item_id for item_id in self.items if len(self._whole_title(item_id)) > limit]

    def _whole_title(self, item_id: str) -> str:
        title = self._row(item_id).get(TITLE)
        cleaned = "" if title is None else one_kind_of_quotes(clean(str(title)))
        if self.config.title_order == "prose":
            cleaned = prose_order(cleaned)
        return cleaned or f"Untitled item {one_kind_of_quotes(clean(item_id))}".strip()

    def _row(self, item_id: str) -> Mapping[str, object]:
        row = self.items.get(item_id)
        if row is None:
            raise DataError(
                f"item {item_id!r} is not among the {len(self.items)} items that have a description; "
                "add it to the items table, or leave out the rows that name it"
            )
        return row

    def details(self, item_id: str) -> str:
        """Return all that may be read of an item beside its title: ``genres: Drama, War; year: 1994``.

        Raises:
            DataError: the catalogue has no such item.
        """
        columns = [name for name in self._row(item_id) if name not in (ITEM_ID, TITLE)]
        return "" if item_id in self._renamed else self._told(item_id, columns)

    def _details(self, item_id: str) -> str:
        details = self._told(item_id, self.config.metadata)
        return f" ({details})" if details else ""

    def _told(self, item_id: str, columns: Sequence[str]) -> str:
        row, limit = self._row(item_id), self.config.max_title_characters
        told = ((column, shorten(text_of(row.get(column)), limit)) for column in columns)
        return "; ".join(f"{bare(clean(column))}: {value}" for column, value in told if value)


def values_of(value: object) -> list[str]:
    """Return a metadata value as cleaned texts: one for each member of a list, none where it is missing.

    >>> values_of(["Drama", "", None, "War"]), values_of(1995.0), values_of(None)
    (['Drama', 'War'], ['1995'], [])
    """
    if value is None or value != value:  # a missing number is not equal to itself
        return []
    if isinstance(value, float) and value.is_integer():
        return [str(int(value))]
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [text for member in value for text in values_of(member)]
    text = bare(clean(str(value)))
    return [text] if text else []


def text_of(value: object) -> str:
    """Return a metadata value as one text, members of a list joined by commas."""
    return ", ".join(values_of(value))


def _check_metadata(items: Items, columns: Sequence[str]) -> None:
    for column in columns:
        if items and not any(column in row for row in items.values()):
            known = sorted(set().union(*(row.keys() for row in items.values())) - {"item_id", "title"})
            raise ConfigError(
                f"describe.metadata: no item has {column!r}; the items table has {', '.join(known) or 'only titles'}"
            )
