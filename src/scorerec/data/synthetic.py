"""A world with planted twins, in which evidence from the right user, and from no other, tells the label.

Users come in pairs of twins that like the same hidden set of items. Each pair is shown its own items: some to
both twins early (from these the twin can be found), and two further blocks, each to one twin early and to the
other late. So what a user's test rows ask about stands in the twin's training behaviour, and in nobody else's
but by chance.
Genres tell a little of the taste; titles tell a little of the genre.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from scorerec.core.columns import ITEM_ID, LABEL, RATING, TIMESTAMP, TITLE, USER_ID
from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.core.randomness import generator
from scorerec.data.raw import RawTables

_GENRES = (
    "Adventure",
    "Comedy",
    "Drama",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "War",
    "Western",
)
_NOUNS = (
    ("Island", "Voyage", "Treasure", "Expedition", "Mountain", "River"),
    ("Wedding", "Neighbour", "Holiday", "Cousin", "Parrot", "Landlord"),
    ("Letter", "Harbour", "Orchard", "Father", "Winter", "Promise"),
    ("Cellar", "Shadow", "Scream", "Graveyard", "Doll", "Fog"),
    ("Chorus", "Stage", "Waltz", "Trumpet", "Melody", "Ballroom"),
    ("Alibi", "Detective", "Cipher", "Stranger", "Keyhole", "Witness"),
    ("Kiss", "Summer", "Dancer", "Moonlight", "Sweetheart", "Rose"),
    ("Android", "Orbit", "Colony", "Signal", "Nebula", "Machine"),
    ("Battalion", "Trench", "Sergeant", "Convoy", "Armistice", "Bridge"),
    ("Saloon", "Sheriff", "Canyon", "Outlaw", "Ranch", "Stagecoach"),
)
# fmt: off
_ADJECTIVES = (
    "Silent", "Crimson", "Forgotten", "Golden", "Broken", "Hidden", "Burning", "Distant", "Electric",
    "Frozen", "Gentle", "Hollow", "Iron", "Last", "Lonely", "Lucky", "Midnight", "Northern", "Paper", "Quiet",
    "Restless", "Sacred", "Scarlet", "Second", "Secret", "Velvet", "Wandering", "White", "Wild", "Wooden",
)
# fmt: on
_PLACES = ("", " of Lisbon", " of Oslo", " of Havana", " of Cairo", " of Kyoto", " of Lima", " of Boston")
_START = 978_307_200  # 2001-01-01 00:00:00 UTC
_DAY = 86_400
# Days since the start: all months of 2001 but the last two, November, and December.
_PERIODS = {"train": (0, 304), "valid": (304, 334), "test": (334, 365)}


class SyntheticWorld(Config):
    """How large the world is, and how much else but the twin tells the label.

    It lasts a year, made for the split ``months`` with train (0, 9), valid (10, 10) and test (11, 11).
    """

    name: Literal["synthetic"] = "synthetic"
    seed: int = Field(default=0, ge=0)
    n_users: int = Field(default=120, ge=4, multiple_of=2, description="half as many pairs of twins")
    n_items: int = Field(default=600, ge=20, description="size of the catalogue")
    n_genres: int = Field(default=6, ge=1, le=len(_GENRES))
    n_shared: int = Field(default=16, ge=1, description="items that both twins rate in the training period")
    n_own: int = Field(default=12, ge=2, description="items that one twin rates in training and the other one later")
    genre_strength: float = Field(default=0.4, ge=0, description="standard deviations of taste that the genre explains")
    quality_strength: float = Field(default=0.2, ge=0, description="standard deviations of taste that all users share")
    noise: float = Field(default=0.05, ge=0, le=0.5, description="probability that a rating contradicts the taste")

    def files(self, path: Path | None) -> list[Path]:
        """Return no files: the world follows from its configuration."""
        self._refuse_path(path)
        return []

    def read(self, path: Path | None) -> RawTables:
        """Make the world: n_users * (n_shared + 2 * n_own) ratings."""
        self._refuse_path(path)
        if self.n_shared + 2 * self.n_own > self.n_items:
            raise DataError("synthetic: n_items must be at least n_shared + 2 * n_own")
        genres = generator(self.seed, "synthetic", "genres").integers(self.n_genres, size=self.n_items)
        return RawTables(self._ratings(genres), self._items(genres))

    def twin_of(self, user_id: str) -> str:
        """Return the user who likes the same items.

        >>> SyntheticWorld().twin_of("u0006"), SyntheticWorld().twin_of("u0007")
        ('u0007', 'u0006')
        """
        return _user_id(int(user_id.removeprefix("u")) ^ 1)

    def _ratings(self, genres: np.ndarray) -> pl.DataFrame:
        quality = generator(self.seed, "synthetic", "quality").normal(size=self.n_items)
        frames = [self._pair(pair, genres, quality) for pair in range(self.n_users // 2)]
        return pl.concat(frames).with_row_index("position")

    def _pair(self, pair: int, genres: np.ndarray, quality: np.ndarray) -> pl.DataFrame:
        """Return the rows of both twins: the hidden taste, shown to each in its own order."""
        random = generator(self.seed, "synthetic", "pair", pair)
        affinity = random.normal(size=self.n_genres)
        taste = self.genre_strength * affinity[genres] + self.quality_strength * quality
        likes = taste + random.normal(size=self.n_items) > 0
        shown = random.choice(self.n_items, self.n_shared + 2 * self.n_own, replace=False)
        shared, mine, yours = np.split(shown, [self.n_shared, self.n_shared + self.n_own])
        late = [mine, yours]
        twins = []
        for twin, early in enumerate((mine, yours)):
            items = np.concatenate([shared, early, late[1 - twin]])
            flips = random.random(len(items)) < self.noise
            liked = likes[items] ^ flips
            ratings = np.where(liked, random.integers(4, 6, len(items)), random.integers(1, 4, len(items)))
            twins.append(self._rows(_user_id(2 * pair + twin), items, ratings, random))
        return pl.concat(twins)

    def _rows(self, user_id: str, items: np.ndarray, ratings: np.ndarray, random: np.random.Generator) -> pl.DataFrame:
        n_late_valid = self.n_own // 2
        n_rows = {
            "train": self.n_shared + self.n_own,
            "valid": n_late_valid,
            "test": self.n_own - n_late_valid,
        }
        seconds = [random.integers(first * _DAY, last * _DAY, n_rows[name]) for name, (first, last) in _PERIODS.items()]
        return pl.DataFrame(
            {
                USER_ID: [user_id] * len(items),
                ITEM_ID: [_item_id(item) for item in items],
                RATING: ratings.astype(np.float32),
                LABEL: pl.Series([None] * len(items), dtype=pl.Int8),
                TIMESTAMP: _START + np.concatenate(seconds),
            }
        )

    def _items(self, genres: np.ndarray) -> pl.DataFrame:
        random = generator(self.seed, "synthetic", "titles")
        years = random.integers(1950, 2001, self.n_items)
        titles: list[str] = []
        seen: set[str] = set()
        for genre, year in zip(genres, years, strict=True):
            title = _title(int(genre), int(year), random)
            while title in seen:
                title = _title(int(genre), int(year), random)
            seen.add(title)
            titles.append(title)
        return pl.DataFrame(
            {
                ITEM_ID: [_item_id(item) for item in range(self.n_items)],
                TITLE: titles,
                "year": years.astype(np.int32),
                "genres": [[_GENRES[genre]] for genre in genres],
            }
        )

    def _refuse_path(self, path: Path | None) -> None:
        if path is not None:
            raise DataError(f"synthetic: reads no files, data.path is {path}; leave it out")


def _title(genre: int, year: int, random: np.random.Generator) -> str:
    """Return a title whose noun fits the genre two times out of three, as raw as a catalogue's."""
    topic = genre if random.random() < 2 / 3 else int(random.integers(len(_NOUNS)))
    adjective = _ADJECTIVES[random.integers(len(_ADJECTIVES))]
    noun = _NOUNS[topic][random.integers(len(_NOUNS[topic]))]
    place = _PLACES[random.integers(len(_PLACES))]
    article = ", The" if random.random() < 1 / 3 else ""
    return f"{adjective} {noun}{place}{article} ({year})"


def _user_id(index: int) -> str:
    return f"u{index:04d}"


def _item_id(index: int) -> str:
    return f"{index + 1:05d}"
