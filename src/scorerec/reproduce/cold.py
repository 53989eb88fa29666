"""SCORE beyond the paper on rows whose user or item training never saw, measured again from kept scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from scorerec.core.columns import ITEM_ID, LABEL, ROW_ID, SPLIT, USER_ID
from scorerec.data.prepare import DataConfig, prepare
from scorerec.evaluate.rows import JudgedRows
from scorerec.evaluate.seeds import Seeded, difference, spread
from scorerec.evaluate.significance import METRICS
from scorerec.evaluate.slices import Slice, warm_and_cold
from scorerec.evaluate.tables import NONE, markdown
from scorerec.reproduce.plan import Row
from scorerec.reproduce.records import Record, measured_part
from scorerec.reproduce.summary import Records, seeded_parts

_SHOWN = ("cold user", "cold item", "warm user and item")


class ColdRows:
    """The judged rows of an experiment, and which of them are cold.

    Args:
        config: of the data.
        split: that is judged.

    Raises:
        DataError: the data are not there.
    """

    def __init__(self, config: DataConfig, split: str):
        interactions = prepare(config).interactions.sort_by(ROW_ID)
        judged = interactions.filter(pc.equal(interactions[SPLIT], split))
        users = judged[USER_ID].to_pylist()
        rows = judged[ROW_ID].to_pylist()
        self._rows = JudgedRows(
            split=split,
            target_ids=tuple(f"row-{row}" for row in rows),
            user_ids=tuple(users),
            item_ids=tuple(judged[ITEM_ID].to_pylist()),
            users=np.unique(users, return_inverse=True)[1].astype(np.int64),
            labels=judged[LABEL].to_numpy().astype(np.int8),
            scores={},
        )
        every = warm_and_cold(self._rows, interactions)
        self._slices = [part for part in every if part.name in _SHOWN and part.rows.any()]

    def table(self, rows: Sequence[Row], ours: Row, records: Records, seeds: Sequence[int]) -> str:
        """Return a table of each row on each slice, beside the compared one; empty where nothing is kept of these rows.

        Args:
            rows: of the table above it.
            ours: the row that all are compared with.
            records: all that are kept.
            seeds: of the table.
        """
        found = {row: self._measured(row, records, seeds) for row in rows}
        lines = [
            {"method": row.name}
            | {part.name: _cell(by[part.name], found[ours].get(part.name)) for part in self._slices}
            for row, by in found.items()
            if by
        ]
        counts = "; ".join(f"{part.name} {int(part.rows.sum()):,} rows" for part in self._slices)
        told = f"**Cold.** {counts}. AUC / UAUC; then {ours.name} minus it, AUC."
        return f"{told}\n\n{markdown(lines)}" if lines else ""

    def _measured(self, row: Row, records: Records, seeds: Sequence[int]) -> dict[str, Seeded]:
        kept = {seed: records[row.key, seed] for seed in seeds if (row.key, seed) in records}
        same = {seed: one for seed, one in kept.items() if one.rows_fingerprint == self._rows.fingerprint}
        return {part.name: self._part(part, same) for part in self._slices} if same else {}

    def _part(self, part: Slice, kept: Mapping[int, Record]) -> Seeded:
        found = seeded_parts(
            {
                seed: measured_part(
                    replace(self._rows, scores={"": one.row_scores().astype(np.float64)}).where(part.rows),
                    "",
                    self._rows.users,
                )
                for seed, one in kept.items()
            }
        )
        assert found is not None
        return found


def _cell(one: Seeded, ours: Seeded | None) -> str:
    means = (spread(one, metric) for metric in METRICS)
    told = " / ".join(NONE if found is None else f"{found.mean:.3f}" for found in means)
    against = difference(ours, one, METRICS[0]) if ours is not None and ours is not one else None
    if against is None or against.interval is None:
        return told
    return f"{told}; {against.value:+.3f} [{against.interval.low:+.3f}, {against.interval.high:+.3f}]"
