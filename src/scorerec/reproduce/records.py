"""What is kept of one method and seed: measures, measures under draws of users, and the scores that they are of."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, ValidationError

from scorerec.core.errors import ArtifactError
from scorerec.core.storage import replace_file
from scorerec.evaluate.measure import measure
from scorerec.evaluate.results import Health, Measured, Result
from scorerec.evaluate.rows import JudgedRows
from scorerec.evaluate.significance import METRICS, resample_users

DRAWS = 500  # of users; the same ones for every record of the same rows
_DRAW_SEED = 0
_KEPT_AS = "<f4"  # little-endian float32: half of what is measured on, and the same on every machine


class Part(Result):
    """The measures of a record on some of its rows."""

    rows_fingerprint: str
    measured: Measured
    draws: dict[str, list[float | None]] = Field(description="metric -> its value under each draw of users")


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
    health: Health | None = Field(None, description="whether a language model reads; None: none does in this row")
    named: dict[str, Part] = Field(
        default_factory=dict, description="row whose evidence it is -> on the rows whose evidence names the target"
    )
    scores: str = Field(
        "",
        description="of the rows that `rows_fingerprint` names, in order of row_id: base64 of zlib of little-endian "
        "float32, which all measures are of. Empty in files of before scores were kept: such a record is made anew",
    )

    def row_scores(self) -> NDArray[np.float32]:
        """Return the score of every judged row, in order of row_id, (measured.n_rows,) float32.

        Raises:
            ArtifactError: none are kept, they cannot be read, or there is not one for each row.
        """
        name, anew = f"record {self.key!r}, seed {self.seed}", "delete its file, and it is made anew"
        if not self.scores:
            raise ArtifactError(f"{name}: wanted the scores of {self.measured.n_rows} rows, none are kept; {anew}")
        try:
            found = np.frombuffer(zlib.decompress(base64.b64decode(self.scores, validate=True)), _KEPT_AS)
        except (ValueError, zlib.error) as error:
            raise ArtifactError(f"{name}: its scores are no base64 of zlib of float32 ({error}); {anew}") from None
        if len(found) != self.measured.n_rows:
            raise ArtifactError(f"{name}: wanted {self.measured.n_rows} scores, one a row, got {len(found)}; {anew}")
        return found.astype(np.float32)


def make_record(
    key: str, seed: int, fingerprint: str, rows: JudgedRows, method: str, about: Mapping[str, object]
) -> Record:
    """Measure one method on its rows, by its scores as they are kept.

    Args:
        key: of the row.
        seed: of the run.
        fingerprint: of the stage that scored.
        rows: rows with the scores of the method.
        method: its name among the scores.
        about: seconds, stand_ins, machine, health and named.
    """
    scores = rows.scores[method].astype(_KEPT_AS)
    return Record(
        key=key,
        seed=seed,
        fingerprint=fingerprint,
        split=rows.split,
        **dict(measured_part(rows, method)),
        scores=base64.b64encode(zlib.compress(scores.tobytes(), 9)).decode("ascii"),
        **about,
    )


def measured_part(rows: JudgedRows, method: str, users: ArrayLike | None = None) -> Part:
    """Measure one method on some rows, under draws of users.

    Args:
        rows: with its scores.
        method: its name among the scores.
        users: whom to draw from, where these are not all rows; None: the rows' own.
    """
    # Rounded first: two rows may tie in float32 that did not before, and whoever measures again has float32 alone.
    scores = rows.scores[method].astype(_KEPT_AS)
    draws = resample_users(rows.users, rows.labels, {method: scores}, DRAWS, _DRAW_SEED, users)
    return Part(
        rows_fingerprint=rows.fingerprint,
        measured=measure(rows.users, rows.labels, scores),
        draws={
            metric: [None if np.isnan(value) else round(float(value), 5) for value in draws.values[metric, method]]
            for metric in METRICS
        },
    )


def record_path(folder: Path, key: str, seed: int) -> Path:
    """Return the file of one record.

    Args:
        folder: of all records.
        key: of the row.
        seed: of the run.
    """
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
