"""What SARE learns from a reasoning-aligned ranking: its first user against users far down (Eq. 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from scorerec.core.columns import BEHAVIOUR_ID, RANK, TARGET_ID
from scorerec.core.randomness import generator
from scorerec.core.tables import RANKINGS


class Group(NamedTuple):
    """One target with its positive and its sampled negatives."""

    target_id: str
    positive: str
    negatives: tuple[str, ...]


class Sampled(NamedTuple):
    """The groups, and the targets whose ranking was too short to give one."""

    groups: list[Group]
    too_short: list[str]


def read_rankings(rankings: pa.Table) -> dict[str, tuple[str, ...]]:
    """Return target_id -> behaviour ids in the order O, in order of target."""
    ordered = RANKINGS.check(rankings).sort_by([(TARGET_ID, "ascending"), (RANK, "ascending")])
    found: dict[str, list[str]] = {}
    for target_id, behaviour_id in zip(ordered[TARGET_ID].to_pylist(), ordered[BEHAVIOUR_ID].to_pylist(), strict=True):
        found.setdefault(target_id, []).append(behaviour_id)
    return {target_id: tuple(group) for target_id, group in found.items()}


def sample_groups(rankings: Mapping[str, Sequence[str]], shift: int, n_negatives: int, seed: int) -> Sampled:
    """Sample negatives by "top-k shifted by N" (Eq. 11).

    Eq. 11 and Appendix B swap K_1 and K_2; of K_e = 10 ranked users only one reading makes sense: the
    positive is rank 1, and 3 negatives come from ranks 6 to 10.

    >>> sample_groups({"t": ["a", "b", "c", "d"]}, shift=2, n_negatives=2, seed=0).groups
    [Group(target_id='t', positive='a', negatives=('c', 'd'))]

    Args:
        rankings: target_id -> behaviour ids, most relevant first.
        shift: N, the ranks at the top that give no negatives.
        n_negatives: drawn without replacement, and kept in the order of their ranks.
        seed: each target has a generator of its own, so neither order nor other targets matter.

    Returns:
        The groups in the order of ``rankings``. A ranking with fewer than ``shift + n_negatives`` users gives
        none: nearer ranks in their place would call useful users useless.
    """
    groups, too_short = [], []
    for target_id, ranked in rankings.items():
        tail = ranked[shift:]
        if len(tail) < n_negatives:
            too_short.append(target_id)
            continue
        chosen = generator(seed, "sare negatives", target_id).choice(len(tail), n_negatives, replace=False)
        groups.append(Group(target_id, ranked[0], tuple(tail[place] for place in sorted(chosen))))
    return Sampled(groups, too_short)
