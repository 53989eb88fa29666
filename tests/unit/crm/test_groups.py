"""Groups are of people who like the same, and nobody is among those who are like them."""

from __future__ import annotations

import pyarrow as pa

from scorerec.crm.groups import TasteGroups
from tests.unit.crm.test_ease import liked


def world(n_users: int = 60) -> pa.Table:
    """Return likes of two tastes, each of ten items, of which a user likes six; and one that everybody likes."""
    pairs = [
        (f"{taste}{n}", f"{taste}-{(n + place) % 10}") for n in range(n_users) for taste in "xy" for place in range(6)
    ]
    return liked([*pairs, *((f"{taste}{n}", "all") for n in range(n_users) for taste in "xy")])


def test_a_history_finds_those_of_its_taste_and_what_they_like() -> None:
    groups = TasteGroups(world(), 2)
    assert len(groups.names) == 5 * 2
    for taste in "xy":
        name = groups.name(f"{taste}7", [f"{taste}-1", f"{taste}-2", "all"])
        assert name is not None
        found = groups.liked(name, 5)
        assert len(found) == 5
        assert {item[0] for item in found} == {taste}  # not what everybody likes
    assert groups.name("new", ["unknown"]) is None
    assert groups.name("new", []) is None
    assert groups.name("new", ["x-1", "unknown"]) == groups.name("new", ["x-1"])


def test_who_asks_taught_the_groups_nothing() -> None:
    others = world()
    mine = liked([("me", f"rare-{n}") for n in range(8)])
    before, after = (TasteGroups(table, 2) for table in (others, pa.concat_tables([others, mine])))
    told = [groups.liked(groups.name("me", ["x-1", "x-2"]) or "", 5) for groups in (before, after)]
    assert told[0] == told[1]


def test_fewer_users_than_groups_are_a_group_each() -> None:
    groups = TasteGroups(liked([("one", "a"), ("two", "b")]), 12)
    assert all(group.n_groups <= 2 for group in groups._folds)
    assert TasteGroups(liked([("one", "a")]), 3).name("one", ["a"]) is None  # nobody else is there
