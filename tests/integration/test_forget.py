"""Forgetting a user of a finished run, and adding to it: what is left, what is found, and what goes on."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorerec.assess.assessor import Reply
from scorerec.assess.store import ReplyStore
from scorerec.core.errors import ArtifactError, DataError
from scorerec.core.tables import BEHAVIOURS, CONTEXTS, INTERACTIONS, ITEMS, PROMPTS, QUERIES, TARGETS
from scorerec.experiment.actions import write_report
from scorerec.experiment.run import INDEX, Run
from scorerec.pipeline.forms.titles import Titles
from scorerec.pipeline.prompting import Prompter, item_lists
from scorerec.retrieve.index import BehaviourIndex
from scorerec.serve import explain, traces
from scorerec.serve.forget import Forgotten, forget
from scorerec.serve.live import ADDED, LIVE, add_behaviours, index_path
from scorerec.text.segments import from_rows, render


@pytest.fixture
def folder(outcome: Any, tmp_path: Path) -> Path:
    """Return the folder of a finished run that may be spoilt."""
    shutil.copytree(outcome.root, tmp_path / "runs")
    place: Path = tmp_path / "runs" / outcome.config.folder_name
    write_report(place)
    return place


@pytest.fixture
def user(outcome: Any) -> str:
    """Return the user whom most prompts show."""
    shown = outcome.artifacts["contexts"].table(CONTEXTS)["behaviour_id"].to_pylist()
    return str(Counter(shown).most_common(1)[0][0])


def places_that_tell(root: Path, name: str) -> list[str]:
    """Return the files in which a text occurs: anywhere in their bytes, or in a cell of a table."""
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and (
            name in json.dumps(pq.read_table(path).to_pylist())
            if path.suffix == ".parquet"
            else name.encode() in path.read_bytes()
        )
    ]


def kept_replies(folder: Path, user: str) -> tuple[list[str], list[str]]:
    """Keep a reply to every question about training rows; return the questions about the user, and the others."""
    run = Run.open(folder)
    queries, targets = run.artifact("corpus").table(QUERIES), run.artifact("corpus").table(TARGETS)
    writer = Prompter(run.artifact("data").table(ITEMS), run.config.prompt)
    theirs, others = [], []
    users = dict(zip(queries["query_id"].to_pylist(), queries["user_id"].to_pylist(), strict=True))
    for query_id, (_, asked) in zip(
        targets["query_id"].to_pylist(), writer.self_assessing(targets, queries), strict=True
    ):
        (theirs if users[query_id] == user else others).append(render(asked))
    with ReplyStore(folder.parent / "replies.sqlite") as store:
        for number, prompt in enumerate(dict.fromkeys(theirs + others)):
            store.keep(str(number), "model", prompt, Reply(f"reply {number}"))
    return sorted(set(theirs)), sorted(set(others) - set(theirs))


def test_nothing_tells_of_a_forgotten_user(folder: Path, user: str, experiment: Any) -> None:
    theirs, others = kept_replies(folder, user)
    before = {name: artifact.manifest["rows"] for name, artifact in Run.open(folder).artifacts.items()}
    assert len(places_that_tell(folder.parent, user)) > 8
    found = forget(folder, user)
    assert places_that_tell(folder.parent, user) == []
    assert found.replies == len(theirs) > 0
    with ReplyStore(folder.parent / "replies.sqlite") as store:
        assert len(store) == len(others) > 0
    assert found.prompts_changed > 0
    assert found.rows["index"] >= 1
    assert set(found.models) >= {"crm", "car", "sare", "tuned-score"}
    run = Run.open(folder)
    assert "report" not in run.artifacts
    went = Counter[str]()
    for name, artifact in run.artifacts.items():
        for table, count in artifact.manifest.get("forgotten", {"rows": {}})["rows"].items():
            assert artifact.manifest["rows"][table] == before[name][table] - count
            went[table] += count
    assert went == Counter({name: count for name, count in found.rows.items() if name not in ("index", "added")})
    assert "no longer what" in run.artifact("corpus").manifest["forgotten"]["note"]
    again = experiment.run(folder.parent)
    assert again.ran == ["report"]
    assert places_that_tell(folder.parent, user) == []


def test_other_prompts_are_as_if_the_user_had_never_been_found(folder: Path, user: str) -> None:
    before = Run.open(folder).artifact("prompts-score").table(PROMPTS)
    forget(folder, user)
    run = Run.open(folder)
    corpus, prompts = run.artifact("corpus"), run.artifact("prompts-score").table(PROMPTS)
    writer = Prompter(run.artifact("data").table(ITEMS), run.config.prompt)
    behaviours, contexts = item_lists(corpus.table(BEHAVIOURS)), run.artifact("contexts").table(CONTEXTS)
    written = writer.with_evidence(corpus.table(TARGETS), corpus.table(QUERIES), [Titles(writer, contexts, behaviours)])
    assert prompts["target_id"].equals(written["target_id"])
    assert prompts["segments"].to_pylist() == written["segments"].to_pylist()
    shown_before, shown, evidence = texts(before), texts(prompts), behaviours_of(before)
    changed = [name for name in shown if shown[name] != shown_before[name]]
    assert changed
    assert all(user in evidence[name] for name in changed)


def texts(prompts: pa.Table) -> dict[str, str]:
    return {row["target_id"]: render(from_rows(row["segments"])) for row in prompts.to_pylist()}


def behaviours_of(prompts: pa.Table) -> dict[str, set[str | None]]:
    return {row["target_id"]: {part["behaviour_id"] for part in row["segments"]} for row in prompts.to_pylist()}


def test_recommendations_go_on_without_the_user(folder: Path, user: str, outcome: Any) -> None:
    twin = next(
        row["user_id"]
        for row in outcome.artifacts["corpus"].table(QUERIES).to_pylist()
        if row["user_id"] != user and row["n_before"] > 4
    )
    forget(folder, user)
    found = explain.recommend(folder, [twin], 3)[0]
    assert found.items
    assert user not in [shown.user_id for item in found.items for shown in item.evidence]
    with pytest.raises(DataError, match=f"no user '{user}'"):
        explain.recommend(folder, [user], 3)
    with pytest.raises(DataError, match=f"no user '{user}' in the data of"):
        forget(folder, user)


@pytest.mark.parametrize("n_files", [0, 1, 4, 9])
def test_an_attempt_that_was_interrupted_goes_on(
    folder: Path, user: str, n_files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, left = traces.write_part, iter(range(n_files))

    def killed(path: Path, table: pa.Table) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        write(path, table)

    monkeypatch.setattr(traces, "write_part", killed)
    with pytest.raises(KeyboardInterrupt):
        forget(folder, user)
    assert places_that_tell(folder.parent, user)
    monkeypatch.setattr(traces, "write_part", write)
    forget(folder, user)
    assert places_that_tell(folder.parent, user) == []
    for artifact in Run.open(folder).artifacts.values():
        for path in artifact.path.glob("*/part-*.parquet"):
            assert artifact.manifest["rows"][path.parent.name] == pq.read_metadata(path).num_rows


def test_models_can_go_too(folder: Path, user: str, experiment: Any) -> None:
    found = forget(folder, user, drop_models=True)
    assert found.models == []
    assert set(Run.open(folder).artifacts) == {"data", "corpus"}
    assert {path.parent.name for path in folder.parent.glob("artifacts/*/*") if path.name[0] != "."} == {
        "data",
        "corpus",
    }
    again = experiment.run(folder.parent, to="neighbours")
    assert again.ran == ["crm", "crm-beside", "neighbours"]
    assert places_that_tell(folder.parent, user) == []


def test_runs_from_the_same_data_forget_as_well(folder: Path, user: str, experiment: Any) -> None:
    other = experiment.run(folder.parent, "name=other", "evidence.n_context_users=1", to="contexts")
    assert other.ran == ["contexts"]
    found = forget(folder, user)
    assert [path.name for path in found.runs] == ["other", folder.name]
    assert places_that_tell(folder.parent, user) == []
    assert Run.open(folder.parent / "other").artifacts.keys() >= other.artifacts.keys()


def test_who_was_never_there_cannot_be_forgotten(folder: Path) -> None:
    def files() -> dict[Path, bytes]:
        return {
            path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file() and path.suffix != ".lock"
        }

    before = files()
    with pytest.raises(DataError, match="no user 'nobody' in the data of"):
        forget(folder, "nobody")
    assert before == files()


# What is added.


@pytest.fixture
def like(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a file of interactions: (user_id, item_id, timestamp, *opinion)."""

    def write(*rows: tuple[object, ...], opinion: str = "") -> Path:
        path = tmp_path / "new.csv"
        header = "user_id,item_id,timestamp" + (f",{opinion}" if opinion else "")
        path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
        return path

    return write


def history_of(folder: Path, user: str) -> Iterator[tuple[str, int]]:
    """Yield what a user of the data liked, and when."""
    for row in Run.open(folder).artifact("data").table(INTERACTIONS).to_pylist():
        if row["user_id"] == user and row["label"]:
            yield row["item_id"], row["timestamp"]


def indexed(folder: Path, user: str) -> list[dict[str, Any]]:
    with BehaviourIndex.open(index_path(Run.open(folder))) as index:
        return [row for row in index.behaviours().to_pylist() if row["user_id"] == user]


def test_a_new_user_is_evidence_and_gets_recommendations(folder: Path, user: str, like: Callable[..., Path]) -> None:
    liked = list(history_of(folder, user))
    artifact = Run.open(folder).artifact("candidates").path / INDEX
    before = artifact.read_bytes()
    added = add_behaviours(folder, like(*(("stranger", *row) for row in reversed(liked))))
    assert (added.interactions, added.liked, added.users, added.behaviours) == (len(liked), len(liked), 1, 1)
    (behaviour,) = indexed(folder, "stranger")
    assert behaviour["item_ids"] == [item for item, _ in liked]
    assert artifact.read_bytes() == before
    found = explain.recommend(folder, [user], 40)[0]
    assert "stranger" in [shown.user_id for item in found.items for shown in item.evidence]
    assert explain.recommend(folder, ["stranger"], 1)[0].items
    found_places = places_that_tell(folder.parent, "stranger")
    assert found_places
    assert all(place.startswith(f"{folder.name}/{LIVE}/") for place in found_places)
    assert forget(folder, "stranger").rows["added"] == len(liked) + 1
    assert places_that_tell(folder.parent, "stranger") == []


def test_a_behaviour_grows_and_changes(folder: Path, user: str, like: Callable[..., Path]) -> None:
    liked = list(history_of(folder, user))
    last = max(time for _, time in liked)
    new = next(item for item in Run.open(folder).artifact("data").table(ITEMS)["item_id"].to_pylist()
               if item not in dict(liked))  # fmt: skip
    file = like((user, new, last + 10, 5), (user, liked[0][0], last + 20, 1), opinion="rating")
    for _ in range(2):  # the same file again changes nothing
        assert add_behaviours(folder, file).liked == 1
        (behaviour,) = indexed(folder, user)
        assert behaviour["item_ids"] == [*(item for item, _ in liked[1:]), new]
    assert pq.read_table(folder / LIVE / ADDED.name).num_rows == 2
    assert explain.recommend(folder, [user], 1)[0].n_liked
    # Nothing liked any more: no behaviour is left to be evidence.
    add_behaviours(folder, like(*((user, item, last + 30, 0) for item, _ in [*liked, (new, 0)]), opinion="label"))
    assert indexed(folder, user) == []


def test_snapshots_grow_too(folder: Path, user: str, like: Callable[..., Path], experiment: Any) -> None:
    experiment.run(folder.parent, "name=as-of", "corpus.kind=as-of", to="candidates")
    place = folder.parent / "as-of"
    before, liked = indexed(place, user), list(history_of(place, user))
    new = next(item for item in Run.open(place).artifact("data").table(ITEMS)["item_id"].to_pylist()
               if item not in dict(liked))  # fmt: skip
    add_behaviours(place, like((user, new, max(time for _, time in liked) + 10**7)))
    after = indexed(place, user)
    assert len(after) == len(before) + 1
    newest = max(after, key=lambda row: row["valid_to"])
    assert newest["item_ids"] == [*(item for item, _ in liked), new]
    assert {row["behaviour_id"] for row in before} < {row["behaviour_id"] for row in after}
    forget(place, user)
    assert places_that_tell(folder.parent, user) == []


@pytest.mark.parametrize(
    ("rows", "opinion", "message"),
    [
        (
            (("u", "00001", 1_500_000_000), ("u", "nowhere", 1_500_000_000)),
            "",
            r"new.csv, row 3: item 'nowhere' is not",
        ),
        ((("u", "00001", "soon"),), "", r"new.csv, row 2.*timestamp"),
        ((("u", "00001", 1_500_000_000, 7),), "label", r"new.csv, row 2: wanted a label of 0 or 1, found 7"),
    ],
)
def test_what_cannot_be_added_is_named(
    folder: Path, like: Callable[..., Path], rows: tuple[tuple[object, ...], ...], opinion: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        add_behaviours(folder, like(*rows, opinion=opinion))
    assert not {INDEX, ADDED.name} & {path.name for path in (folder / LIVE).glob("*")}


def test_an_index_of_another_retriever_is_refused(folder: Path, like: Callable[..., Path]) -> None:
    artifact = Run.open(folder).artifact("candidates")
    (artifact.path / INDEX).unlink()
    BehaviourIndex.create(artifact.path / INDEX, "another", 8).close()
    artifact.amend()  # or it would be called damaged
    with pytest.raises(ArtifactError, match="encoder another"):
        add_behaviours(folder, like(("u", "00001", 1_500_000_000)))


def test_what_is_said(folder: Path, user: str) -> None:
    found: Forgotten = forget(folder, user)
    text = "\n".join(found.lines())
    assert "Not unlearnt: the models of backbone, car, crm, sare, tuned-llm, tuned-score" in text
    assert "report" in found.deleted
    assert "scorerec run" in text
