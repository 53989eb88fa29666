"""What is it worth to know what a user did not like: to somebody new, and within a user? No language model takes part.

python benchmarks/dislikes.py quickstart
python benchmarks/dislikes.py ml-1m --set data.path=FOLDER evidence.own_dislikes=true 'evidence.forms=["opinion"]'

*Somebody new*: the test rows of users who have training rows, asked as strangers who say what they liked there: by
models that know no dislikes; by models that do, told nothing of them, the user's own, and those of another user, who
shows whether it is these that help. Beside them the same rows as regime C has them: what was rated until then is known.

*Within a user*, where all rows are targets: the validation rows by models that know the user's leniency (how much more
often they like an item than others do) in several ways: as it is at the row, with few or many ratings of nobody's mind
on top; of the first ratings alone, which is constant from then on; of those before this visit. What rises with a user's
latest likes rises AUC, for users differ, and lowers UAUC: of a user's rows the ones after likes have fewer likes left
to come.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from scorerec.core.columns import (
    ITEM_ID,
    ITEM_IDS,
    LABEL,
    N_BEFORE,
    QUERY_ID,
    ROW_ID,
    SNAPSHOT,
    SPLIT,
    TARGET_ID,
    TIMESTAMP,
    USER_ID,
)
from scorerec.core.metrics import auc, uauc
from scorerec.core.randomness import derived_seed
from scorerec.core.tables import KNOWLEDGE, QUERIES
from scorerec.crm.config import BOTH
from scorerec.crm.content import Content
from scorerec.crm.expectation import Expectation, average, features, liked_share
from scorerec.experiment.config import load_experiment
from scorerec.experiment.plan import stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Runner
from scorerec.experiment.stages.judged import with_users
from scorerec.pipeline.expecting import Expecting, KnownByNow, expecting_of
from scorerec.pipeline.opinions import own_of
from scorerec.pipeline.recommend import NEWEST

Floats = npt.NDArray[np.float64]
Found = tuple[str, str, int, float, float | None]  # what is asked, what is known, rows, AUC, UAUC


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("preset")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings, such as data.path")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--json", action="store_true", help="print one object per row instead")
    given = parser.parse_args()
    config = load_experiment(given.preset, given.set)
    stages = stages_of(config)
    if not config.evidence.own_dislikes or "knowledge" not in {stage.name for stage in stages}:
        parser.error(
            "wanted a form of evidence that tells of own dislikes, got "
            f"evidence.own_dislikes={config.evidence.own_dislikes} with {list(config.evidence.forms)}; try "
            "evidence.own_dislikes=true 'evidence.forms=[\"opinion\"]'"
        )
    run = Runner(stages, config, given.out).made("knowledge")
    table = Table("asked", "known", "rows", "AUC", "UAUC")
    is_drawn = config.corpus.max_train_targets is not None or config.corpus.max_valid_targets is not None
    found = [*somebody_new(run), *(() if is_drawn else within_users(run))]
    for asked, known, n_rows, value, within in found:
        if given.json:
            print(json.dumps({"asked": asked, "known": known, "rows": n_rows, "auc": value, "uauc": within}))
        table.add_row(asked, known, f"{n_rows:,}", f"{value:.3f}", "none" if within is None else f"{within:.3f}")
    if not given.json:
        Console().print(table)


def somebody_new(run: Run) -> Iterator[Found]:
    """Yield what the models know of users who are asked about their test rows as strangers."""
    said: dict[str, tuple[list[str], list[str]]] = {}
    training = run.interactions.filter(pc.equal(run.interactions[SPLIT], "train"))
    for user, item, label in zip(*(training[name].to_pylist() for name in (USER_ID, ITEM_ID, LABEL)), strict=True):
        said.setdefault(user, ([], []))[label != 1].append(item)
    targets = run.targets("test")
    of_row = users_of(run, targets)
    is_known = np.array([user in said for user in of_row])
    targets, of_row, users = targets.filter(pa.array(is_known)), of_row[is_known], sorted(set(of_row[is_known]))
    labels = targets[LABEL].to_numpy()
    queries = QUERIES.check(
        pa.table(
            {
                QUERY_ID: users,
                USER_ID: [stranger(user) for user in users],
                N_BEFORE: pa.array([len(said[user][0]) for user in users], pa.int32()),
                SNAPSHOT: [NEWEST] * len(users),
                ITEM_IDS: pa.array([said[user][0] for user in users], pa.list_(pa.string())),
            }
        )
    )
    asked = targets.set_column(targets.schema.get_field_index(QUERY_ID), QUERY_ID, pa.array(of_row.tolist()))
    for name in (ROW_ID, LABEL, SPLIT):  # a request is of no row, and nobody knows what is thought of it
        empty = pa.nulls(len(asked), asked.schema.field(name).type)
        asked = asked.set_column(asked.schema.get_field_index(name), name, empty)
    shuffled = np.random.default_rng(derived_seed(run.config.seed, "dislikes")).permutation(len(users)).tolist()
    other = {user: users[place] for user, place in zip(users, shuffled, strict=True)}
    known, judged = KnownByNow(run, training), np.flatnonzero(np.isin(run.all_targets[TARGET_ID], targets[TARGET_ID]))
    counted, expecting = run.table("knowledge", KNOWLEDGE), expecting_of(run)
    unaware = Expecting(counted, run.all_targets, run.items, False, run.config.seed)
    of_models = {
        "models that know no dislikes": unaware.of(known.knowledge(asked, queries), asked),
        "rating by rating: regime C": expecting.of(counted.take(judged), run.all_targets.take(judged)),
    }
    for name, found in of_models.items():
        yield "somebody new", name, len(labels), auc(labels, found[BOTH]), uauc(of_row, labels, found[BOTH]).value
    whose: dict[str, Callable[[str], list[str]] | None] = {
        "no dislikes": None,
        "their own dislikes": lambda user: said[user][1],
        "another user's dislikes": lambda user: said[other[user]][1],
    }
    for name, disliked in whose.items():
        known = known.later(run, training)  # what was said before is not known to it
        if disliked is not None:
            known.said = {stranger(user): own_of(said[user][0], disliked(user)) for user in users}
        p_yes = known.p_yes(asked, queries)[BOTH]
        yield "somebody new", name, len(labels), auc(labels, p_yes), uauc(of_row, labels, p_yes).value


def within_users(run: Run) -> Iterator[Found]:
    """Yield what models know of the validation rows, by what they know of the user's leniency."""
    targets = run.all_targets
    split, labels = np.array(targets[SPLIT].to_pylist()), targets[LABEL].to_numpy().astype(np.int8)
    train, valid = (np.flatnonzero(split == part) for part in ("train", "valid"))
    knowledge, users = run.table("knowledge", KNOWLEDGE), users_of(run, targets)
    usual = average(knowledge.take(train), labels[train])
    content = Content(run.items)
    places = content.places(targets[ITEM_ID].to_pylist())
    of_target = np.concatenate([content.values[places], content.numbers[places]], axis=1)
    without, with_all = (features(knowledge, of_target, usual, known) for known in (False, True))
    excess, moments = labels - liked_share(knowledge, usual), moments_of(run)
    leniency = {
        "nothing": None,
        **{f"as at the row, + {prior}": of_earlier(users, excess, prior) for prior in (5, 10, 40)},
        **{f"of the first {first} ratings": of_earlier(users, excess, 5, first=first) for first in (10, 40)},
        "before this visit": of_earlier(users, excess, 5, moments=moments, pause=run.config.corpus.visit_pause),
    }
    known = {
        name: without if column is None else np.column_stack([without, column]) for name, column in leniency.items()
    } | {"all of regime C": with_all}
    whose = users[valid]
    for name, told in known.items():
        models = Expectation(told[train], labels[train], (told[valid], labels[valid]), run.config.seed)
        p_yes = models.p_yes(told[valid])[BOTH]
        found = auc(labels[valid], p_yes), uauc(whose, labels[valid], p_yes).value
        yield "within a user", name, len(valid), *found


def of_earlier(
    users: npt.NDArray[np.object_],
    excess: Floats,
    prior: int,
    first: int | None = None,
    moments: npt.NDArray[np.int64] | None = None,
    pause: int = 0,
) -> Floats:
    """Return each row's mean excess of likes over the earlier rows of its user, ratings without excess on top, (N,).

    Args:
        users: whose the rows are, in the order of time, (N,).
        excess: of each row, likes minus the share of others who like the item, (N,).
        prior: ratings on top.
        first: how many of the user's rows count.
        moments: UTC seconds, (N,): rows of the same visit do not count.
        pause: seconds without a rating after which the next one begins a visit.
    """
    earlier: dict[str, list[int]] = {}
    found = np.zeros(len(users))
    for place, user in enumerate(users):
        known = earlier.setdefault(user, [])
        counted = known[:first]
        if moments is not None:
            begun = place  # back to where the user's ratings pause
            for before in reversed(known):
                if moments[begun] - moments[before] > pause:
                    break
                begun = before
            counted = [one for one in known if one < begun]
        found[place] = excess[counted].sum() / (len(counted) + prior)
        known.append(place)
    return found


def moments_of(run: Run) -> npt.NDArray[np.int64]:
    """Return the second of each of the run's targets, (N,)."""
    rows = (run.interactions[name].to_pylist() for name in (ROW_ID, TIMESTAMP))
    second = dict(zip(*rows, strict=True))
    return np.array([second[row] for row in run.all_targets[ROW_ID].to_pylist()], np.int64)


def users_of(run: Run, targets: pa.Table) -> npt.NDArray[np.object_]:
    """Return whose each of some targets is, (N,)."""
    return np.array(with_users(targets, run.queries)[USER_ID].to_pylist(), dtype=object)


def stranger(user: str) -> str:
    """Return a name by which nobody is known."""
    return f"a stranger like {user}"


if __name__ == "__main__":
    main()
