"""Every row is a path in exactly one pack, nothing that its rows share stands in a pack twice, and limits are kept."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.core.errors import ConfigError
from scorerec.llm.trees import Pack, bundles, pack_rows

ROWS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=30)


def arrays(rows: list[list[int]]) -> list[np.ndarray]:
    return [np.array(row, np.int32) for row in rows]


def seen(pack: Pack, node: int) -> list[int]:
    return [k for k in range(len(pack.tokens)) if k <= node < pack.end[k]]


@given(ROWS, st.integers(1, 5), st.integers(1, 20))
def test_a_row_reads_what_its_leaf_sees(rows: list[list[int]], branches: int, tokens: int) -> None:
    packs = pack_rows(arrays(rows), branches, tokens)
    found = {}
    for pack in packs:
        for row, leaf in zip(pack.rows.tolist(), pack.leaves.tolist(), strict=True):
            nodes = seen(pack, leaf)
            found[row] = pack.tokens[nodes].tolist()
            assert pack.depth[nodes].tolist() == list(range(len(nodes)))
    assert found == dict(enumerate(rows))
    assert sum(len(pack.rows) for pack in packs) == len(rows)


@given(ROWS, st.integers(1, 5), st.integers(1, 20))
def test_a_pack_has_a_node_for_each_distinct_beginning_and_keeps_its_limits(
    rows: list[list[int]], branches: int, tokens: int
) -> None:
    for pack in pack_rows(arrays(rows), branches, tokens):
        beginnings = {tuple(rows[row][:n]) for row in pack.rows for n in range(1, len(rows[row]) + 1)}
        assert len(pack.tokens) == len(beginnings)
        assert len(pack.rows) <= branches
        assert len(pack.tokens) <= tokens or len(pack.rows) == 1


@given(ROWS, st.integers(1, 5), st.integers(1, 20))
def test_packs_of_a_bundle_begin_with_its_trunk(rows: list[list[int]], branches: int, tokens: int) -> None:
    packs = pack_rows(arrays(rows), branches, tokens)
    found = bundles(packs)
    assert [id(pack) for bundle in found for pack in bundle.packs] == [id(pack) for pack in packs]
    for trunk, members in found:
        assert trunk == 0 or len(members) > 1
        for one, other in pairwise(members):
            assert one.tokens[:trunk].tolist() == other.tokens[:trunk].tolist()
        for pack in members:
            assert trunk <= pack.leaves.min()
            assert (pack.end[:trunk] == len(pack.tokens)).all()


def test_one_history_and_many_items_is_one_bundle_and_strangers_are_none() -> None:
    history = list(range(100, 160))
    packs = pack_rows(arrays([[*history, item, item, 7] for item in range(40)]), 8, 512)
    (bundle,) = bundles(packs)
    assert (bundle.trunk, len(bundle.packs)) == (60, 5)
    strangers = pack_rows(arrays([[1, 2, *range(100 * n, 100 * n + 60)] for n in range(10)]), 2, 512)
    assert [bundle.trunk for bundle in bundles(strangers)] == [0] * 5


def test_no_rows_and_no_room() -> None:
    assert bundles(pack_rows([], 8, 512)) == []
    with pytest.raises(ConfigError, match="at least 1 branch and 1 token, got 0 and 512"):
        pack_rows(arrays([[1]]), 0, 512)


def test_it_takes_seconds_for_tens_of_thousands_of_rows() -> None:
    rng = np.random.default_rng(0)
    users = [rng.integers(0, 49152, 100) for _ in range(100)]
    rows = [np.concatenate([users[n % 100], rng.integers(0, 49152, 20)]).astype(np.int32) for n in range(5_000)]
    start = time.process_time()
    packs = pack_rows(rows, 16, 512)
    bundles(packs)
    assert time.process_time() - start < 1  # 50,000 take ten times that
    assert sum(len(pack.tokens) for pack in packs) < 0.3 * sum(map(len, rows))
