"""Recommendations for many users into one file; what an interrupted call has written is not computed again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from scorerec.core.artifacts import write_part
from scorerec.core.columns import USER_ID
from scorerec.core.errors import DataError
from scorerec.core.progress import progress
from scorerec.core.storage import replace_file, told_clearly
from scorerec.serve.asked import Wish
from scorerec.serve.config import ServeConfig
from scorerec.serve.service import Service

_BLOCK = 32  # users whose prompts are scored together, and whose rows are one part
_TASK = "task.json"
_ROWS = pa.schema(
    [
        (USER_ID, pa.string()),
        ("rank", pa.int32()),
        ("item_id", pa.string()),
        ("title", pa.string()),
        ("p_yes", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Written:
    """What came of a batch: users, rows, and blocks of users that an earlier call had written."""

    users: int
    rows: int
    kept: int


def recommend_all(folder: Path, users: Path, count: int, out: Path, config: ServeConfig) -> Written:
    """Write user_id, rank, item_id, title and p_yes of the best items of each user.

    Args:
        folder: a finished run.
        users: CSV or Parquet with a column user_id, or text with an id a line.
        count: items for each user.
        out: a Parquet file; beside it stands a folder of parts until all are there.
        config: its shortlist and ``min_users`` count; time does not.

    Raises:
        DataError: the file cannot be used, or a user is not known.
        ArtifactError: the run has not come to its end, or the file cannot be written.
    """
    names = _user_ids(users)
    service = Service.load(folder, config.model_copy(update={"seconds": float("inf")}))
    try:
        for name in names:
            service.known_of(name)
        parts = _parts(out, {"names": names, "count": count, "config": config.model_dump(), **vars(service.versions)})
        blocks = [names[start : start + _BLOCK] for start in range(0, len(names), _BLOCK)]
        kept = 0
        for number, block in enumerate(progress(blocks, "recommending", len(blocks), unit="block")):
            path = parts / f"part-{number:05d}.parquet"
            if path.is_file():
                kept += 1
                continue
            wishes = [Wish(service.person(name, None), count) for name in block]
            with told_clearly(out):
                write_part(path, pa.Table.from_pylist(list(_rows(service, wishes)), _ROWS))
    finally:
        service.close()
    table = pa.concat_tables([pq.read_table(parts / f"part-{number:05d}.parquet") for number in range(len(blocks))])
    with told_clearly(out):
        write_part(out, table)
    shutil.rmtree(parts)
    return Written(len(names), table.num_rows, kept)


def _rows(service: Service, wishes: Sequence[Wish]) -> Iterator[dict[str, object]]:
    for wish, found in zip(wishes, service.recommend(wishes), strict=True):
        for rank, one in enumerate(found, start=1):
            item = one.item
            yield {
                USER_ID: wish.person.user_id,
                "rank": rank,
                "item_id": item.item_id,
                "title": item.title,
                "p_yes": item.p_yes if one.is_scored else None,
            }


def _parts(out: Path, task: dict[str, object]) -> Path:
    """Return the folder of parts, emptied where they are of another task: other users, settings, or data."""
    folder = out.with_name(out.name + ".parts")
    name = hashlib.sha256(json.dumps(task, sort_keys=True).encode()).hexdigest()
    path = folder / _TASK
    if folder.is_dir() and (not path.is_file() or path.read_text(encoding="utf-8") != name):
        shutil.rmtree(folder)
    replace_file(path, name)
    return folder


def _user_ids(path: Path) -> list[str]:
    """Return the ids in a file, each once, in its order.

    Raises:
        DataError: it cannot be read, or has none.
    """
    try:
        if path.suffix == ".parquet":
            names = pl.read_parquet(path, columns=[USER_ID])[USER_ID].cast(pl.String).to_list()
        else:
            lines = path.read_text(encoding="utf-8").splitlines()
            is_table = bool(lines) and USER_ID in lines[0].split(",")
            if is_table:
                names = pl.read_csv(path, columns=[USER_ID], infer_schema=False)[USER_ID].to_list()
            else:
                names = [line.strip() for line in lines]
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{path}: cannot be read: {error}; give a CSV or Parquet with user_id, or an id a line"
        ) from None
    found = [name for name in dict.fromkeys(names) if name]
    if not found:
        raise DataError(f"{path}: wanted ids of users, found none")
    return found
