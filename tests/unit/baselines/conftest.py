"""A world where titles say nothing and vectors everything: the label is the sign of the item's first value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from scorerec.baselines.soft import Material
from scorerec.baselines.virtual_tokens import mark
from scorerec.core.tables import PROMPTS
from scorerec.llm.config import ToyConfig
from scorerec.llm.toy import pretrain
from scorerec.text.describe import Describer
from scorerec.text.features import featured, marked
from scorerec.text.prompts import basic
from scorerec.text.segments import Segment, render, to_rows
from scorerec.text.wording import DOMAINS

N_ITEMS = 24
ITEMS = {str(number): {"title": "Film"} for number in range(N_ITEMS)}
TINY = ToyConfig(vocabulary=350, width=32, inner_width=64, heads=2, epochs=2, batch_size=16)
WORDS, DESCRIBER = DOMAINS["movie"], Describer(ITEMS)


def rows() -> list[tuple[str, list[str], str, int, str]]:
    """Return (target_id, history, item, label, split)."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(300):
        item = int(rng.integers(N_ITEMS))
        history = [str(one) for one in rng.permutation(N_ITEMS)[: rng.integers(1, 4)]]
        split = "train" if number < 200 else "valid" if number < 250 else "test"
        found.append((f"row-{number}", history, str(item), item % 2, split))
    return found


def prompts_of(kind: str) -> pa.Table:
    written: list[list[Segment]] = []
    for _, history, item, _, _ in rows():
        if kind == "marked":
            plain = basic(history, item, DESCRIBER, WORDS)
            written.append(marked(plain, lambda name: mark(int(name))))
        else:
            plain = basic(history, item, DESCRIBER, WORDS)
            written.append(featured(plain, mark(N_ITEMS), mark(int(item))))
    zeros = pa.array([0] * len(written), pa.int32())
    columns = [[row[0] for row in rows()], [to_rows(row) for row in written], zeros, zeros]
    return pa.table(dict(zip(PROMPTS.columns.names, columns, strict=True)), schema=PROMPTS.columns)


@pytest.fixture(scope="session")
def labels() -> pa.Table:
    names, _, _, label, split = zip(*rows(), strict=True)
    return pa.table({"target_id": names, "label": pa.array(label, pa.int8()), "split": split})


@pytest.fixture(scope="session")
def vectors() -> np.ndarray:
    """Return a vector per item, and one user's behind them."""
    found = np.random.default_rng(1).normal(size=(N_ITEMS + 1, 4)).astype(np.float32)
    found[:N_ITEMS, 0] = np.where(np.arange(N_ITEMS) % 2, 2.0, -2.0)
    return found


@pytest.fixture(scope="session")
def material(labels, vectors):
    return lambda kind: Material(prompts_of(kind), labels, vectors)


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "lm"
    texts = [render(basic(history, item, DESCRIBER, WORDS)) for _, history, item, _, _ in rows()[:100]]
    pretrain(texts, TINY, folder, seed=0)
    return folder
