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
from scorerec.text.budget import Budget, fit
from scorerec.text.exchange import names_target
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


class Draw(NamedTuple):
    """Which rows are learned from where there are more than that.

    Attributes:
        most_rows: so many are drawn; the same ones for every method whose draw is the same. None: all rows are there.
        together: so many rows of one query are drawn together (labels then tell it), so that they share a history; not
            all of them, for a few users would be all that is learned from.
        named_share: share of the rows that comes from runs of ``together`` in which evidence names a target, as far as
            there are such runs.
        shown: what of its evidence a model is shown; its limit of tokens is left out.
    """

    most_rows: int | None
    together: int = 1
    named_share: float = 0.0
    shown: Budget = Budget()


def labelled_prompts(prompts: pa.Table, labels: pa.Table, split: str, draw: Draw, seed: int) -> LabelledPrompts:
    """Return the rows of one part, in the order of ``labels``.

    Args:
        prompts: PROMPTS.
        labels: target_id, label and split; p_yes, where a teacher has answered the training rows.
        split: the part.
        draw: which of them.
        seed: of the draw.

    Raises:
        DataError: a row has no prompt, or one of the classes has no row.
    """
    rows = labels.filter(pc.equal(labels[SPLIT], split))
    place = {name: index for index, name in enumerate(prompts[TARGET_ID].to_pylist())}
    if draw.most_rows is not None and rows.num_rows > draw.most_rows:
        rng = generator(seed, "llm", split, "rows")
        order, run = _in_runs(rows, draw.together, rng)
        if draw.named_share:
            known = prompts.take([place[name] for name in rows[TARGET_ID].to_pylist() if name in place])
            is_named = np.isin(rows[TARGET_ID].to_pylist(), list(targets_named(known, draw.shown)))
            order = _named_first(order, np.isin(run, run[is_named]), draw)
        rows = rows.take(np.sort(order[: draw.most_rows]))
    answers = rows[LABEL].to_numpy().astype(np.int64)
    if set(answers.tolist()) != {0, 1}:
        raise DataError(
            f"part {split!r}: wanted rows with label 0 and rows with label 1, came "
            f"{rows.num_rows} rows with labels {sorted(set(answers.tolist()))}; check the split and the labels"
        )
    names = rows[TARGET_ID].to_pylist()
    missing = [name for name in names if name not in place]
    if missing:
        raise DataError(
            f"part {split!r}: {len(missing)} of {len(names)} rows have no prompt, such as {missing[0]!r}; "
            "write the prompts of all training and validation targets"
        )
    expected = rows[P_YES].to_numpy() if split == "train" and P_YES in rows.column_names else None
    return LabelledPrompts(read_prompts(prompts.take([place[name] for name in names])), answers, expected)


def targets_named(prompts: pa.Table, shown: Budget) -> set[str]:
    """Return the target_ids whose prompt shows the target among the titles of similar users.

    Args:
        prompts: PROMPTS.
        shown: how many titles and users the LM is shown. Its limit of tokens, which a tokenizer would have to count, is
            left out.
    """
    budget = shown.model_copy(update={"tokens": None})
    names: list[str] = prompts[TARGET_ID].to_pylist()
    named = (names_target(fit(segments, budget, lambda _: 0).segments) for segments in read_prompts(prompts))
    return {name for name, is_named in zip(names, named, strict=True) if is_named}


def _in_runs(
    rows: pa.Table, length: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the places of the rows in an order that is drawn, (N,), and the run of each row, (N,).

    A run is up to so many rows of one query; its rows stand together.
    """
    if length == 1:
        return rng.permutation(rows.num_rows), np.arange(rows.num_rows)
    query = rows[QUERY_ID].combine_chunks().dictionary_encode().indices.to_numpy()
    by_query = np.argsort(query, kind="stable")
    is_first = np.append(True, np.diff(query[by_query]) != 0)
    nth = np.arange(len(query)) - np.maximum.accumulate(np.where(is_first, np.arange(len(query)), 0))
    run = np.empty(len(query), np.int64)
    run[by_query] = np.cumsum(is_first | (nth % length == 0)) - 1
    return by_query[np.argsort(rng.permutation(run.max() + 1)[run[by_query]], kind="stable")], run


def _named_first(order: npt.NDArray[np.int64], is_rich: npt.NDArray[np.bool_], draw: Draw) -> npt.NDArray[np.int64]:
    """Return an order of rows, (N,), that begins with the share of rich ones and goes on with the others."""
    assert draw.most_rows is not None
    rich, others = order[is_rich[order]], order[~is_rich[order]]
    n_rich = round(draw.named_share * draw.most_rows)
    return np.concatenate([rich[:n_rich], others, rich[n_rich:]])
