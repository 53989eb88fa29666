"""What is known by now: the data of a run, and the interactions that were added since.

Finished artifacts stay as they are. What is added lives in the run's folder: ``live/added`` holds the interactions,
``live/index.sqlite`` a copy of the run's index, in which the users concerned have their newest behaviours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from scorerec.core.artifacts import read_table, write_table
from scorerec.core.columns import ITEM_ID, LABEL, ROW_ID, TIMESTAMP, USER_ID
from scorerec.core.errors import ArtifactError, DataError
from scorerec.core.storage import replace_file, sync_tree
from scorerec.core.tables import INTERACTIONS, TableSchema
from scorerec.data.additions import read_additions
from scorerec.data.corpus import build_corpus
from scorerec.experiment.run import INDEX, Run, open_index

if TYPE_CHECKING:
    from scorerec.pipeline.finding import Finder
    from scorerec.retrieve.index import BehaviourIndex

LIVE = "live"
_STATE = "state"  # a file: see ``state_of``
_PATIENCE = 60  # seconds to wait for somebody else who is writing
Writing = Literal["adding", "making"]
_KEY = (USER_ID, ITEM_ID, TIMESTAMP)
ADDED = TableSchema("added", _KEY, pa.schema([INTERACTIONS.columns.field(name) for name in (*_KEY, "label")]))


@dataclass(frozen=True)
class Added:
    """What came of a file: interactions in it, those liked, users, and the behaviours that these have now."""

    interactions: int
    liked: int
    users: int
    behaviours: int


def add_behaviours(folder: Path, file: Path) -> Added:
    """Add interactions to a finished run: its users' newest behaviours are evidence from now on.

    The models stay as they were trained. The same file again changes nothing.

    Args:
        folder: of the run.
        file: CSV, TSV or Parquet with user_id, item_id, timestamp (UTC seconds) and, where it has them, label (0
            or 1) or rating, which the run's rule turns into a label; without either, every item is liked.

    Raises:
        DataError: the file cannot be used, or names an item that the run's catalogue lacks.
        ArtifactError: the run has not come to its candidates, or somebody else is adding to it.
    """
    run = Run.open(folder)
    rows = read_additions(file, run.config.data.label, run.items[ITEM_ID])
    return add_rows(run, rows, run.finder())


def add_rows(run: Run, rows: pl.DataFrame, found_by: Finder, patience: float = _PATIENCE) -> Added:
    """Add interactions to a finished run; see ``add_behaviours``. They are on disk when it returns.

    Args:
        run: the run.
        rows: user_id, item_id, timestamp and label, as ``data.additions`` returns them.
        found_by: what finds candidates in the run.
        patience: seconds to wait for who else is writing.

    Raises:
        ArtifactError: the run has not come to its candidates, or somebody else is adding to it.
    """
    users, folder = rows[USER_ID].unique(maintain_order=True).to_list(), run.folder
    with alone(run.root, "adding", patience):
        run = replace(run)  # somebody may have been forgotten since its tables were read
        added = pl.concat([_added(folder), rows]).unique(_KEY, keep="last", maintain_order=True)
        n_behaviours = _replace_behaviours(run, added, users, found_by)
        _write(folder, added)
        note_change(folder)
    return Added(rows.height, int(rows[LABEL].sum()), len(users), n_behaviours)


def state_of(folder: Path) -> str:
    """Return a name of what is known by now: another one after each addition, and after somebody was forgotten."""
    path = folder / LIVE / _STATE
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def note_change(folder: Path) -> None:
    """Let all who read a run know that it holds something else than before."""
    replace_file(folder / LIVE / _STATE, uuid4().hex)


def known_interactions(run: Run, user_id: str) -> pa.Table:
    """Return all that a user is known to have done, oldest first (INTERACTIONS, row_id counted anew)."""
    return INTERACTIONS.check(_merged(run, _added(run.folder), [user_id]).to_arrow())


def interactions_by_now(run: Run) -> pa.Table:
    """Return INTERACTIONS, row_id counted anew: all of a user of whom some were added is training by now."""
    added = _added(run.folder)
    if not added.height:
        return run.interactions
    users = added[USER_ID].unique().to_list()
    theirs = _merged(run, added, users).with_columns(split=pl.lit("train"))
    others = pl.DataFrame(run.interactions).filter(~pl.col(USER_ID).is_in(users))
    rows = pl.concat([others.drop(ROW_ID), theirs.drop(ROW_ID)]).sort(TIMESTAMP, maintain_order=True)
    return INTERACTIONS.check(rows.with_row_index(ROW_ID).to_arrow())


def index_path(run: Run) -> Path:
    """Return the file of the run's index, with what was added where something was."""
    live = run.folder / LIVE / INDEX
    return live if live.is_file() else run.artifact("candidates").path / INDEX


def is_added(folder: Path, user_id: str) -> bool:
    """Return whether what was added, or the index with it, holds anything of a user."""
    path = folder / LIVE / INDEX
    if path.is_file():
        with open_index(path) as index:
            if index.holds(user_id):
                return True
    return bool((_added(folder)[USER_ID] == user_id).any())


def forget_live(folder: Path, user_id: str) -> int:
    """Forget what was added of a user; return how many rows went. To be called alone; see ``alone``.

    What says that there is something to forget goes last: who is interrupted can begin again.

    Raises:
        ArtifactError: somebody else reads an older state of the index.
    """
    if not (folder / LIVE).is_dir():
        return 0
    path, count = folder / LIVE / INDEX, 0
    for partial in (folder / LIVE).glob("*.partial"):  # of a process that died
        partial.unlink()
    if path.is_file():
        with open_index(path) as index:
            count += index.delete_user(user_id)
    added = _added(folder)
    kept = added.filter(pl.col(USER_ID) != user_id)
    if kept.height < added.height:
        _write(folder, kept)
    return count + added.height - kept.height


def require_index(run: Run, found_by: Finder) -> Path:
    """Return the file of the run's index, with what was added where something was.

    Where the retriever was trained anew since, what was added is encoded anew.

    Args:
        run: the run.
        found_by: what finds candidates in it.

    Raises:
        ArtifactError: somebody else is adding to the run.
    """
    live = run.folder / LIVE / INDEX
    if live.is_file():
        with open_index(live) as index:
            is_of_another = index.encoder != found_by.fingerprint
        if is_of_another:
            with alone(run.root, "adding"):
                for path in (live, *live.parent.glob(f"{INDEX}-*")):
                    path.unlink()
                users = _added(run.folder)[USER_ID].unique(maintain_order=True).to_list()
                _replace_behaviours(run, _added(run.folder), users, found_by)
    return index_path(run)


def opened_index(run: Run, found_by: Finder | None) -> BehaviourIndex:
    """Open the index of a run, with what was added where something was; to be used with ``with``.

    Args:
        run: the run.
        found_by: what finds candidates in it; None: nothing is looked for.

    Raises:
        DataError: it was built with another retriever.
        ArtifactError: somebody else is adding to the run.
    """
    if found_by is None:
        return run.index(index_path(run))
    index = run.index(require_index(run, found_by))
    if index.encoder != found_by.fingerprint:
        index.close()
        raise DataError(f"{index.path}: built with another retriever than {run.artifact('car').path}; run again")
    return index


def _replace_behaviours(run: Run, added: pl.DataFrame, users: Collection[str], found_by: Finder) -> int:
    """Put the newest behaviours of users into the live index; return how many."""
    # All that happened by now is history, whatever part it was in when the run was made.
    known = _merged(run, added, users).with_columns(split=pl.lit("train"))
    behaviours = build_corpus(known.to_arrow(), run.config.corpus).behaviours
    encoder = found_by.fingerprint
    with run.index(_live_index(run, encoder), encoder) as index:
        index.replace_users(users, behaviours, found_by.behaviours(behaviours))
    return behaviours.num_rows


def _write(folder: Path, added: pl.DataFrame) -> None:
    write_table(folder / LIVE, ADDED, added.to_arrow())
    sync_tree(folder / LIVE / ADDED.name)  # who was told that it is known finds it after a power cut, too


def _added(folder: Path) -> pl.DataFrame:
    live = folder / LIVE
    table = read_table(live, ADDED) if (live / ADDED.name).is_dir() else ADDED.empty()
    return pl.DataFrame(table)


def _merged(run: Run, added: pl.DataFrame, users: Collection[str]) -> pl.DataFrame:
    """Return the interactions of some users, those that were added among them, in the order of time."""
    columns = INTERACTIONS.columns.names
    recorded = pl.DataFrame(run.interactions)
    rows = pl.concat([recorded, added.with_columns(split=pl.lit("train"))], how="diagonal")
    rows = rows.filter(pl.col(USER_ID).is_in(list(users))).sort(TIMESTAMP, maintain_order=True)
    rows = rows.unique(_KEY, keep="last", maintain_order=True)
    if run.config.data.repeats != "keep":  # a second opinion of an item is the one that counts
        pair = pl.struct(USER_ID, ITEM_ID)
        rows = rows.filter(pair.is_first_distinct() if run.config.data.repeats == "first" else pair.is_last_distinct())
    liked = pl.col(LABEL).cast(pl.Int32)
    before = (liked.cum_sum() - liked).over(USER_ID)
    return rows.drop(ROW_ID).with_row_index(ROW_ID).with_columns(n_before=before).select(columns)


def _live_index(run: Run, encoder: str) -> Path:
    """Return the file of the index that may be written to, a copy of the run's own at first."""
    live = run.folder / LIVE / INDEX
    if not live.is_file():
        live.parent.mkdir(exist_ok=True)
        with run.index(encoder=encoder) as index:
            index.copy(live)
    return live


@contextmanager
def alone(root: Path, what: Writing, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold off whoever does the same in runs of one place: their artifacts are shared.

    Args:
        root: the folder of all runs.
        what: adding to a run, or making what one lacks; who forgets does neither, and nobody does it meanwhile.
        patience: seconds to wait.

    Raises:
        ArtifactError: somebody else is at it for longer than that.
    """
    lock = FileLock(root / f".{what}.lock")
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise ArtifactError(
            f"{root}: somebody else is {what} or forgetting; try again in a moment ({lock.lock_file})"
        ) from None
    try:
        yield
    finally:
        lock.release()


class UserRows:
    """INTERACTIONS, so arranged that those of a user are a slice."""

    def __init__(self, interactions: pa.Table):
        self._table = interactions.take(
            pc.sort_indices(interactions, [(USER_ID, "ascending"), (TIMESTAMP, "ascending")])
        )
        users = self._table[USER_ID].combine_chunks().dictionary_encode()
        starts = np.searchsorted(users.indices.to_numpy(), np.arange(len(users.dictionary) + 1))
        names = users.dictionary.to_pylist()
        self._blocks = {name: (int(starts[n]), int(starts[n + 1])) for n, name in enumerate(names)}

    def of(self, user_id: str) -> pa.Table | None:
        """Return the rows of a user, oldest first; None: there are none."""
        if user_id not in self._blocks:
            return None
        start, end = self._blocks[user_id]
        return self._table.slice(start, end - start)
