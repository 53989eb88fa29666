"""The rows a language model learns from: prompts of one part of the data, with their labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import LABEL, P_YES, QUERY_ID, SPLIT, TARGET_ID
from scorerec.core.errors import DataError
from scorerec.core.randomness import generator
from scorerec.llm.encode import read_prompts
from scorerec.text.segments import Segment


class LabelledPrompts(NamedTuple):
    """Rows with their answers.

    Attributes:
        prompts: segments of N prompts.
        labels: 1 = Yes, 0 = No, (N,) int64.
        expected: how probable Yes is to a teacher, (N,) float64; None where there is none.
    """

    prompts: list[list[Segment]]
    labels: npt.NDArray[np.int64]
    expected: npt.NDArray[np.float64] | None = None


def labelled_prompts(
    prompts: pa.Table, labels: pa.Table, split: str, most_rows: int | None, seed: int, together: int = 1
) -> LabelledPrompts:
    """Return the rows of one part, in the order of ``labels``.

    Args:
        prompts: PROMPTS.
        labels: target_id, label and split; p_yes, where a teacher has answered the training rows.
        split: the part.
        most_rows: if there are more, so many are drawn; the same ones for every method.
        seed: of the draw.
        together: so many rows of one query are drawn together (``labels`` then tell it), so that they share a history;
            not all of them, for a few users would be all that is learned from.

    Raises:
        DataError: a row has no prompt, or one of the classes has no row.
    """
    rows = labels.filter(pc.equal(labels[SPLIT], split))
    if most_rows is not None and rows.num_rows > most_rows:
        rng = generator(seed, "llm", split, "rows")
        order = rng.permutation(rows.num_rows) if together == 1 else _in_runs(rows, together, rng)
        rows = rows.take(np.sort(order[:most_rows]))
    answers = rows[LABEL].to_numpy().astype(np.int64)
    if set(answers.tolist()) != {0, 1}:
        raise DataError(
            f"part {split!r}: wanted rows with label 0 and rows with label 1, came "
            f"{rows.num_rows} rows with labels {sorted(set(answers.tolist()))}; check the split and the labels"
        )
    place = {name: index for index, name in enumerate(prompts[TARGET_ID].to_pylist())}
    names = rows[TARGET_ID].to_pylist()
    missing = [name for name in names if name not in place]
    if missing:
        raise DataError(
            f"part {split!r}: {len(missing)} of {len(names)} rows have no prompt, such as {missing[0]!r}; "
            "write the prompts of all training and validation targets"
        )
    expected = rows[P_YES].to_numpy() if split == "train" and P_YES in rows.column_names else None
    return LabelledPrompts(read_prompts(prompts.take([place[name] for name in names])), answers, expected)


def _in_runs(rows: pa.Table, length: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the places of the rows in runs of up to so many of one query, the runs in an order that is drawn."""
    query = rows[QUERY_ID].combine_chunks().dictionary_encode().indices.to_numpy()
    by_query = np.argsort(query, kind="stable")
    is_first = np.append(True, np.diff(query[by_query]) != 0)
    nth = np.arange(len(query)) - np.maximum.accumulate(np.where(is_first, np.arange(len(query)), 0))
    run = np.cumsum(is_first | (nth % length == 0)) - 1
    return by_query[np.argsort(rng.permutation(run[-1] + 1)[run], kind="stable")]
