"""Forgetting a user: in every table, index and reply that was made from the same data as a run (ADR 0020)."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.artifacts import MANIFEST, Artifact, ArtifactStore
from scorerec.core.columns import BEHAVIOUR_ID, TARGET_ID
from scorerec.core.errors import DataError
from scorerec.core.storage import replace_file
from scorerec.core.tables import PROMPTS
from scorerec.core.wheels import cache_folder
from scorerec.data import download
from scorerec.experiment.plan import ASKED_AFAR, PAGE, RESULTS, holdings, tells_counts
from scorerec.experiment.run import RECORD, Run
from scorerec.experiment.stage import Holds
from scorerec.pipeline.endpoint import texts_about
from scorerec.serve.live import LIVE, alone, forget_live, is_added, note_change
from scorerec.serve.traces import Traces

_LAST = {"corpus": 1, "data": 2}  # they tell which ids are whose, and no model had a part in them


@dataclass(frozen=True)
class Forgotten:
    """What forgetting a user came to.

    Attributes:
        rows: rows that went, by table; ``index`` and ``added`` among them.
        prompts_changed: prompts of other users that showed this user's behaviour, and no longer do.
        replies: replies of the assessor that went.
        runs: runs made from the same data.
        deleted: stages whose artifacts are gone; the next `scorerec run` makes them anew.
        models: stages whose models still carry what they learnt from the user.
        not_searched: sources, exports, unfinished artifacts and runs from other data, where the user may be too.
    """

    rows: Mapping[str, int]
    prompts_changed: int
    replies: int
    runs: Sequence[Path]
    deleted: Sequence[str]
    models: Sequence[str]
    not_searched: Sequence[Path]

    def lines(self) -> list[str]:
        """Say it in words."""
        counts = ", ".join(f"{count} of {name}" for name, count in self.rows.items()) or "none"
        found = [
            f"Rows that went: {counts}",
            f"Prompts of others that no longer show the user: {self.prompts_changed}",
            f"Replies that went: {self.replies}",
            f"Runs from this data: {_listed(self.runs)}",
        ]
        if self.deleted:
            found.append(f"Deleted; the next `scorerec run` makes them anew: {', '.join(self.deleted)}")
        if self.models:
            found.append(
                f"Not unlearnt: the models of {', '.join(self.models)} were trained with the user, and scores were "
                "computed with them; forget with --drop-models, and run again, to have them trained anew without"
            )
        if self.not_searched:
            found.append(f"Not searched, and the user may be there too: {_listed(self.not_searched)}")
        return found


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def forget(folder: Path, user_id: str, drop_models: bool = False) -> Forgotten:
    """Forget a user in all that was made from the data of a run, also by other runs in the same place.

    Nothing may run there meanwhile. An attempt that was interrupted can be repeated, and goes on.

    Args:
        folder: of the run.
        user_id: whom.
        drop_models: also delete what was trained, and what the models wrote; the next `scorerec run` trains anew,
            without the user.

    Raises:
        DataError: neither the data nor what was added to it knows the user.
        ArtifactError: an artifact is damaged, or a file is in use.
    """
    with alone(folder.parent, "making"), alone(folder.parent, "adding"):
        return _forget(folder, user_id, drop_models)


def _forget(folder: Path, user_id: str, drop_models: bool) -> Forgotten:
    root, data = folder.parent, Run.open(folder).artifact("data").fingerprint
    runs, not_searched = _runs(root, data)
    artifacts = _made_from(ArtifactStore(root / "artifacts"), data)
    traces = Traces(user_id, artifacts)
    if not traces and not any(is_added(run.folder, user_id) for run in runs):
        raise DataError(f"no user {user_id!r} in the data of {folder}; user ids are text, as in the ratings")
    gone = Counter[str]()
    replies = _forget_replies(runs, traces)
    # Reports show single users, verdicts count them; both are cheap to make anew from what is left.
    dropped = [
        found
        for found in artifacts
        if _holds(found, "page")
        or tells_counts(found.stage, found.manifest["inputs"])
        or (drop_models and found.stage not in _LAST)
    ]
    for run in runs:
        _drop_from_record(run, {found.path for found in dropped})
    for artifact in dropped:
        shutil.rmtree(artifact.path)
    kept = [artifact for artifact in artifacts if artifact.path.is_dir()]
    try:
        for artifact in sorted(kept, key=lambda found: _LAST.get(found.stage, 0)):
            gone += traces.take_out(artifact)
        for run in runs:  # last, for it was copied from what is clean by now
            gone["added"] += forget_live(run.folder, user_id)
    finally:
        for run in runs:
            note_change(run.folder)
    return Forgotten(
        prompts_changed=gone.pop("changed", 0),
        rows=dict(sorted(gone.items())),
        replies=replies,
        runs=[run.folder for run in runs],
        deleted=sorted({artifact.stage for artifact in dropped}),
        models=sorted({artifact.stage for artifact in kept if _holds(artifact, "model")}),
        not_searched=[*not_searched, *(artifact.path for artifact in kept if holdings(artifact.stage) is None)],
    )


def _holds(artifact: Artifact, what: Holds) -> bool:
    leaves = holdings(artifact.stage) or {}
    return any(holds == what and (artifact.path / name).exists() for name, holds in leaves.items())


def _runs(root: Path, data: str) -> tuple[list[Run], list[Path]]:
    """Return the runs that were made from the data artifact ``data``, and what else there is to look at."""
    unfinished = (path for path in sorted(root.glob("artifacts/*/.*")) if path.suffix != ".lock")
    runs, others = [], [*unfinished, *sorted(root.glob("artifacts/*/*.damaged-*"))]
    for path in sorted(root.glob(f"*/{RECORD}")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if Path(record["artifacts"].get("data", "")).name != data:
            others.append(path.parent)
            continue
        run = Run.open(path.parent)
        runs.append(run)
        own = run.config.data.path  # or what was fetched for the run
        others += [own] if own else sorted((cache_folder() / download.FOLDER).glob("*"))
        others += sorted(entry for entry in path.parent.iterdir() if entry.name not in (RECORD, PAGE, RESULTS, LIVE))
    return runs, list(dict.fromkeys(others))


def _made_from(store: ArtifactStore, data: str) -> list[Artifact]:
    """Return the data artifact and all that was made from it, directly or not."""
    folders = [path.parent for path in sorted(store.root.glob(f"*/*/{MANIFEST}")) if "." not in path.parent.name]
    artifacts = [found for path in folders if (found := store.find(path.parent.name, path.name))]
    made, n_before = {data}, 0
    while len(made) > n_before:
        n_before = len(made)
        made |= {found.fingerprint for found in artifacts if made & set(found.manifest["inputs"].values())}
    return [artifact for artifact in artifacts if artifact.fingerprint in made]


def _forget_replies(runs: Sequence[Run], traces: Traces) -> int:
    """Forget what an assessor or a distant LM was asked about the user, whichever run drew the question."""
    if not runs or not runs[0].replies_path.is_file():
        return 0
    targets, behaviours = traces.ids[TARGET_ID], traces.ids[BEHAVIOUR_ID]
    texts: set[str] = set()
    for run in runs:
        for scores, prompts in ASKED_AFAR.items():
            if scores in run.artifacts:
                texts.update(texts_about(run.table(prompts, PROMPTS), run.config.llm.budget, targets, behaviours))
        if "corpus" in run.artifacts:
            theirs = pc.is_in(run.all_targets[TARGET_ID], pa.array(sorted(targets), pa.string()))
            texts.update(run.prompter.assessing_texts(run.all_targets.filter(theirs), run.queries))
    if not texts:
        return 0
    with runs[0].replies() as store:
        return store.forget(texts)


def _drop_from_record(run: Run, dropped: Collection[Path]) -> None:
    """Let a run know of these artifacts no longer, and remove the copies of its report."""
    path = run.folder / RECORD
    record = json.loads(path.read_text(encoding="utf-8"))
    record["artifacts"] = {
        name: place for name, place in record["artifacts"].items() if run.artifacts[name].path not in dropped
    }
    replace_file(path, json.dumps(record, indent=2) + "\n")
    for name in (PAGE, RESULTS):
        (run.folder / name).unlink(missing_ok=True)
