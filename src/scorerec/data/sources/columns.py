"""Which column of a file is what, for the sources whose files name their own columns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from scorerec.core.config import Config
from scorerec.core.errors import DataError


class ColumnMap(Config):
    """The names that the columns have in the files."""

    user_id: str = "user_id"
    item_id: str = "item_id"
    rating: str | None = Field(default="rating", description="None where the file has labels only")
    timestamp: str = "timestamp"
    label: str | None = Field(default=None, description="a column of 0 and 1, for data.label.kind = 'given'")
    catalogue_item_id: str | None = Field(
        default=None, description="the item id's column in the items file, where it has another name there"
    )
    title: str = "title"

    def ratings(self) -> dict[str, str]:
        """Return our name -> the file's name for the ratings file."""
        names = {name: getattr(self, name) for name in ("user_id", "item_id", "rating", "label", "timestamp")}
        return {name: column for name, column in names.items() if column is not None}

    def items(self) -> dict[str, str]:
        """Return our name -> the file's name for the items file."""
        return {"item_id": self.catalogue_item_id or self.item_id, "title": self.title}


def require_columns(wanted: dict[str, str], found: Iterable[str], origin: Path, hint: str = "") -> None:
    """Check that a file has the mapped columns.

    Args:
        wanted: our name -> the file's name.
        found: the columns of the file.
        origin: the file, for the message.
        hint: what to do, where more is known than that another column may be meant.

    Raises:
        DataError: one is missing; the message lists what the file has.
    """
    names = list(found)
    for name, column in wanted.items():
        if column not in names:
            raise DataError(
                f"{origin}: no column {column!r} for {name}; the file has {names}; "
                + (hint or f"set data.source.columns.{name} to the right one")
            )


def metadata_columns(wanted: dict[str, str], found: Iterable[str], origin: Path) -> list[str]:
    """Return the columns of an items file that are not mapped; they are kept under their own names.

    Args:
        wanted: our name -> the file's name.
        found: the columns of the file, in order.
        origin: the file, for the message.

    Raises:
        DataError: one has the name of a mapped column of ours.
    """
    metadata = [column for column in found if column not in wanted.values()]
    for name in set(metadata) & set(wanted):
        raise DataError(
            f"{origin}: {name} is read from column {wanted[name]!r}, and the file has a column {name!r} too; "
            f"rename that one, or set data.source.columns.{name} to it"
        )
    return metadata
