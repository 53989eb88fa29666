"""What is kept of one method and seed: measures, and measures under draws of users, so that tables need no scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from scorerec.core.errors import ArtifactError
from scorerec.core.storage import replace_file
from scorerec.evaluate.measure import measure
from scorerec.evaluate.results import Measured, Result
from scorerec.evaluate.rows import JudgedRows
from scorerec.evaluate.significance import METRICS, resample_users

DRAWS = 500  # of users; the same ones for every record of the same rows
_DRAW_SEED = 0


class Record(Result):
    """One row of a table for one seed."""

    key: str = Field(description="of the row")
    seed: int
    fingerprint: str = Field(description="of the stage that scored: it changes with every setting that matters")
    split: str
    rows_fingerprint: str = Field(description="equal where rows, users and labels are the same")
    measured: Measured
    draws: dict[str, list[float | None]] = Field(description="metric -> its value under each draw of users")
    seconds: float = Field(description="training and scoring, as if the method ran alone")
    stand_ins: list[str]
    machine: str


def make_record(
    key: str, seed: int, fingerprint: str, rows: JudgedRows, method: str, about: Mapping[str, object]
) -> Record:
    """Measure one method on its rows.

    Args:
        key: of the row.
        seed: of the run.
        fingerprint: of the stage that scored.
        rows: rows with the scores of the method.
        method: its name among the scores.
        about: seconds, stand_ins and machine.
    """
    scores = rows.scores[method]
    draws = resample_users(rows.users, rows.labels, {method: scores}, DRAWS, _DRAW_SEED)
    return Record(
        key=key,
        seed=seed,
        fingerprint=fingerprint,
        split=rows.split,
        rows_fingerprint=rows.fingerprint,
        measured=measure(rows.users, rows.labels, scores),
        draws={
            metric: [None if np.isnan(value) else round(float(value), 5) for value in draws.values[metric, method]]
            for metric in METRICS
        },
        **about,
    )


def record_path(folder: Path, key: str, seed: int) -> Path:
    """Return the file of one record."""
    return folder / f"{key}-seed{seed}.json"


def keep_record(folder: Path, record: Record) -> Path:
    """Write a record; an earlier one of the same row and seed is replaced."""
    path = record_path(folder, record.key, record.seed)
    replace_file(path, record.model_dump_json() + "\n")
    return path


def read_records(folder: Path) -> dict[tuple[str, int], Record]:
    """Return all records of a folder by row and seed.

    Raises:
        ArtifactError: a file is no record.
    """
    found = {}
    for path in sorted(folder.glob("*-seed*.json")):
        try:
            record = Record.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            fault = error.errors(include_input=False, include_context=False)[0]
            raise ArtifactError(
                f"{path}: no record of results ({'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}); "
                "delete it, and it is made anew"
            ) from None
        found[record.key, record.seed] = record
    return found
