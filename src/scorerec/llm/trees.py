"""Prompts that begin alike as trees over tokens: what rows share stands in a pack once, and each row is a path in it.

A pack's nodes stand in depth-first order, so that a node's descendants are the nodes right behind it, and one number
per node says who may see it: node q sees node k when ``k <= q < end[k]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scorerec.core.errors import ConfigError

Integers = npt.NDArray[np.int64]
_LEAST_TRUNK = 0.25  # share of a pack's nodes: below it, reading a trunk apart costs what it saves


class Pack(NamedTuple):
    """Some rows as one tree of T nodes.

    Attributes:
        rows: positions of the R rows, (R,).
        tokens: token id of each node, (T,).
        depth: number of ancestors of each node, which is its position in its rows, (T,).
        end: one behind the last descendant of each node, (T,).
        leaves: the node of each row's last token, (R,).
    """

    rows: Integers
    tokens: Integers
    depth: Integers
    end: Integers
    leaves: Integers

    @property
    def trunk(self) -> int:
        """How many nodes all rows begin with, none of them a row's last."""
        is_shared = (self.end == len(self.tokens)) & (self.depth == np.arange(len(self.tokens)))
        return int(min(np.argmin(np.append(is_shared, False)), self.leaves.min()))


class Bundle(NamedTuple):
    """Packs that begin alike.

    Attributes:
        trunk: nodes that all of them begin with, read once; 0 where each is read whole.
        packs: one or more.
    """

    trunk: int
    packs: list[Pack]


def pack_rows(rows: Sequence[npt.NDArray[np.integer]], branches: int, tokens: int) -> list[Pack]:
    """Divide rows of token ids into packs of neighbours; every row is in exactly one.

    Rows are sorted by their tokens, so that those that begin alike are neighbours, and cut where a limit is met.

    Args:
        rows: N of them, each of one token at least.
        branches: most rows in a pack.
        tokens: most nodes in a pack; a row that is longer is a pack of its own.

    Raises:
        ConfigError: a limit is below 1.

    >>> (pack,) = pack_rows([np.array([1, 2, 3]), np.array([1, 2, 4, 5])], branches=8, tokens=512)
    >>> pack.tokens.tolist(), pack.depth.tolist(), pack.end.tolist(), pack.leaves.tolist()
    ([1, 2, 3, 4, 5], [0, 1, 2, 2, 3], [5, 5, 3, 5, 5], [2, 4])
    """
    if min(branches, tokens) < 1:
        raise ConfigError(f"packs: wanted at least 1 branch and 1 token, got {branches} and {tokens}")
    # Bytes in big-endian order compare as the numbers do, and a thousand times faster than lists of them.
    order = sorted(range(len(rows)), key=[np.asarray(row, ">i4").tobytes() for row in rows].__getitem__)
    packs: list[Pack] = []
    members: list[tuple[int, int]] = []  # position, and how many tokens it shares with the row before
    n_nodes = 0
    for before, row in pairwise([-1, *order]):
        shared = _n_shared(rows[before], rows[row]) if members else 0
        added = len(rows[row]) - shared
        if members and (len(members) == branches or n_nodes + added > tokens):
            packs.append(_tree(rows, members))
            members, n_nodes, shared, added = [], 0, 0, len(rows[row])
        members.append((row, shared))
        n_nodes += added
    return [*packs, _tree(rows, members)] if members else []


def pack_of(rows: Sequence[npt.NDArray[np.integer]], places: Integers) -> Pack:
    """Return some of the rows as one pack."""
    (pack,) = pack_rows([rows[place] for place in places], len(places), sum(len(rows[place]) for place in places))
    return pack._replace(rows=places[pack.rows])


def bundles(packs: Sequence[Pack]) -> list[Bundle]:
    """Divide packs, as ``pack_rows`` returns them, into runs whose trunk is worth being read once for all."""
    found: list[Bundle] = []
    for pack in packs:
        last = found[-1] if found else Bundle(0, [])
        joined = [*last.packs, pack]
        trunk = _n_shared(pack.tokens[: pack.trunk], joined[0].tokens[: last.trunk or joined[0].trunk])
        if len(joined) > 1 and trunk * len(joined) >= _LEAST_TRUNK * sum(len(one.tokens) for one in joined):
            found[-1] = Bundle(trunk, joined)
        else:
            found.append(Bundle(0, [pack]))
    return found


def _tree(rows: Sequence[npt.NDArray[np.integer]], members: Sequence[tuple[int, int]]) -> Pack:
    """Return the tree of sorted rows, each given with how many tokens it shares with the row before."""
    added = [np.arange(shared, len(rows[row])) for row, shared in members]  # the depths of each row's own nodes
    depth = np.concatenate(added)
    end = np.empty_like(depth)
    path = np.empty(depth.max() + 1, np.int64)  # the nodes of the present row
    n_nodes, leaves, length = 0, [], 0
    for (row, shared), own in zip(members, added, strict=True):
        end[path[shared:length]] = n_nodes
        length = len(rows[row])
        path[shared:length] = np.arange(n_nodes, n_nodes + len(own))
        n_nodes += len(own)
        leaves.append(path[length - 1])
    end[path[:length]] = n_nodes
    tokens = np.concatenate([rows[row][shared:] for row, shared in members]).astype(np.int64)
    return Pack(np.array([row for row, _ in members]), tokens, depth, end, np.array(leaves))


def _n_shared(one: npt.NDArray[np.integer], other: npt.NDArray[np.integer]) -> int:
    """Return how many tokens two rows begin with alike."""
    length = min(len(one), len(other))
    return int(np.argmin(np.append(one[:length] == other[:length], False)))
