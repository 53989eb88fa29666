"""A world of twelve titles whose labels follow the target alone, and a tiny LM that has read its prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.tables import PROMPTS
from scorerec.llm.config import ToyConfig
from scorerec.llm.toy import pretrain
from scorerec.text import prompts
from scorerec.text.describe import Describer
from scorerec.text.segments import Segment, render, to_rows
from scorerec.text.wording import DOMAINS

TITLES = {str(n): {"title": f"{'Good' if n % 2 else 'Poor'} Film {n} ({1980 + n})"} for n in range(12)}
TINY = ToyConfig(vocabulary=400, width=32, inner_width=64, heads=2, epochs=1, batch_size=16)


def written(history: list[str], target: str, evidence: tuple[str, ...] = ()) -> list[Segment]:
    shown = [("other", list(evidence))] if evidence else []
    return prompts.augmented(history, shown, target, Describer(TITLES), DOMAINS["movie"])


def prompt_table(rows: list[list[Segment]]) -> pa.Table:
    zeros = pa.array([0] * len(rows), pa.int32())
    columns = {
        "target_id": [f"row-{n}" for n in range(len(rows))],
        "segments": [to_rows(row) for row in rows],
        "dropped_history": zeros,
        "dropped_evidence": zeros,
    }
    return pa.table(columns, schema=PROMPTS.columns)


@pytest.fixture(scope="session")
def write() -> Callable[..., list[Segment]]:
    return written


@pytest.fixture(scope="session")
def table_of() -> Callable[[list[list[Segment]]], pa.Table]:
    return prompt_table


@pytest.fixture(scope="session")
def world() -> tuple[pa.Table, pa.Table]:
    """PROMPTS and labels of 120 rows; a target with an odd number is liked."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 12, 120)
    rows = [written([str(n) for n in rng.permutation(12)[: rng.integers(0, 7)]], str(target)) for target in targets]
    labels = pa.table(
        {
            "target_id": [f"row-{n}" for n in range(120)],
            "query_id": [f"query-{n // 4}" for n in range(120)],
            "label": pa.array((targets % 2).tolist(), pa.int8()),
            "split": ["train"] * 80 + ["valid"] * 20 + ["test"] * 20,
        }
    )
    return prompt_table(rows), labels


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return [
        render(written([str(n % 12), str((n + 1) % 12)], str((n + 2) % 12), (str(n % 5),) * (n % 2))) for n in range(60)
    ]


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "lm"
    pretrain(texts, TINY, folder, seed=0)
    return folder
