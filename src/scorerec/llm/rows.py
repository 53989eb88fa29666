"""The rows a language model learns from: prompts of one part of the data, with their labels."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import LABEL, P_YES, SEGMENTS, SPLIT, TARGET_ID
from scorerec.core.errors import ConfigError, DataError
from scorerec.core.randomness import generator
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import read_prompts
from scorerec.text.budget import Budget, fit, window_start
from scorerec.text.exchange import names_target
from scorerec.text.segments import Segment

Integers = npt.NDArray[np.int64]


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

    def wanted(self, share: float) -> npt.NDArray[np.float64]:
        """Return how probable Yes is to the labels and a teacher together, (N,).

        Args:
            share: of the teacher; without one the labels alone say it.

        Raises:
            ConfigError: nobody told what a teacher with a share expects.
        """
        if not share:
            return self.labels.astype(np.float64)
        if self.expected is None or np.isnan(self.expected).any():
            raise ConfigError(
                "llm.teacher: wanted what a teacher expects of each row, and nobody told; show verdicts "
                "(evidence.forms), tune in one process, or set llm.teacher=0"
            )
        return (1 - share) * self.labels + share * self.expected


class Draw(NamedTuple):
    """Which rows are learned from where there are more than that.

    Attributes:
        most_rows: so many are drawn; the same ones for every method whose draw is the same. None: all rows are there.
        together: rows whose histories begin alike are drawn in runs of up to so many, so that they share prompts'
            beginnings; not all of them, for a few users would be all that is learned from.
        named_share: share of the rows that comes from runs of ``together`` in which evidence names a target, as far as
            there are such runs.
        shown: what of its history and evidence a model is shown; its limit of tokens is left out.
    """

    most_rows: int | None
    together: int = 1
    named_share: float = 0.0
    shown: Budget = Budget()


def draw_of(config: LLMConfig, split: str) -> Draw:
    """Return the draw of a part: the same for every method with these settings, however it reads them."""
    together = config.pack_branches if config.share_prefixes else 1
    if split == "valid":
        return Draw(config.max_valid_rows, together, shown=config.budget)
    return Draw(config.max_train_rows, together, config.named_share, config.budget)


def labelled_prompts(prompts: pa.Table, labels: pa.Table, split: str, draw: Draw, seed: int) -> LabelledPrompts:
    """Return the rows of one part, in the order of ``labels``.

    Args:
        prompts: PROMPTS.
        labels: target_id, label and split; p_yes, where a teacher has answered.
        split: the part.
        draw: which of them.
        seed: of the draw.

    Raises:
        DataError: a row has no prompt, or one of the classes has no row.
    """
    rows = labels.filter(pc.equal(labels[SPLIT], split))
    place = {name: index for index, name in enumerate(prompts[TARGET_ID].to_pylist())}
    names = rows[TARGET_ID].to_pylist()
    missing = [name for name in names if name not in place]
    if missing:
        raise DataError(
            f"part {split!r}: {len(missing)} of {len(names)} rows have no prompt, such as {missing[0]!r}; "
            "write the prompts of all training and validation targets"
        )
    asked = prompts.take([place[name] for name in names])
    if draw.most_rows is not None and rows.num_rows > draw.most_rows:
        drawn = np.sort(_drawn(asked, draw, generator(seed, "llm", split, "rows")))
        rows, asked = rows.take(drawn), asked.take(drawn)
    answers = rows[LABEL].to_numpy().astype(np.int64)
    if set(answers.tolist()) != {0, 1}:
        raise DataError(
            f"part {split!r}: wanted rows with label 0 and rows with label 1, came "
            f"{rows.num_rows} rows with labels {sorted(set(answers.tolist()))}; check the split and the labels"
        )
    expected = rows[P_YES].to_numpy() if P_YES in rows.column_names else None
    return LabelledPrompts(read_prompts(asked), answers, expected)


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


def _drawn(prompts: pa.Table, draw: Draw, rng: np.random.Generator) -> Integers:
    """Return the places of the rows that are drawn."""
    order = rng.permutation(prompts.num_rows)
    run = np.arange(prompts.num_rows)
    if draw.together > 1:
        run = _runs(prompts, draw.together, draw.shown)
        order = np.argsort(order[run], kind="stable")
    if draw.named_share:
        is_named = np.isin(prompts[TARGET_ID].to_pylist(), list(targets_named(prompts, draw.shown)))
        is_rich = np.isin(run, run[is_named])[order]
        n_rich = round(draw.named_share * (draw.most_rows or 0))
        order = np.concatenate([order[is_rich][:n_rich], order[~is_rich], order[is_rich][n_rich:]])
    return order[: draw.most_rows]


def _runs(prompts: pa.Table, length: int, shown: Budget) -> Integers:
    """Return the number of each prompt's run, (N,): of up to so many whose shown histories begin with one title."""
    histories: list[list[str]] = []
    segments = prompts[SEGMENTS].combine_chunks()
    parts = segments.flatten()
    is_own = pc.equal(parts.field("kind"), "history")
    owner = np.repeat(np.arange(len(segments)), pc.list_value_length(segments))[is_own.to_numpy(zero_copy_only=False)]
    titles = parts.field("item_id").filter(is_own).to_pylist()
    for start, end in pairwise(np.searchsorted(owner, np.arange(len(segments) + 1)).tolist()):
        most = end - start if shown.history_titles is None else shown.history_titles
        histories.append(titles[start + window_start(end - start, most, shown.history_step) : end])
    order = sorted(range(len(histories)), key=histories.__getitem__)
    run, number, count = np.empty(len(order), np.int64), -1, length
    before: list[str] = []
    for row in order:
        if count == length or histories[row][:1] != before[:1]:
            number, count = number + 1, 0
        run[row], count, before = number, count + 1, histories[row]
    return run
