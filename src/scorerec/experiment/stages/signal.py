"""Is there a signal? Each way of finding users is measured before any language model reads what they liked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.artifacts import Draft
from scorerec.core.columns import ITEM_ID, LABEL, QUERY_ID, SPLIT, USER_ID
from scorerec.core.errors import DataError
from scorerec.core.odds import log_odds
from scorerec.core.randomness import generator
from scorerec.core.ranking import ranking_metrics
from scorerec.core.tables import BEHAVIOURS, CANDIDATES, CONTEXTS
from scorerec.crm.histories import Rows, split_rows
from scorerec.crm.ranking import MOST_ITEMS, held_out_ranks, item_knn, popularity, rankable
from scorerec.evaluate.results import NeighbourShare, Ranking, Signal, SourceDifference, StateSpread, UserCount
from scorerec.evaluate.signal import COMPARED, N_USERS, SignalRows, count_warnings, source_difference, user_counts
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.run import SIGNAL, Run
from scorerec.experiment.stages.judged import with_users
from scorerec.nn.encoders import encode
from scorerec.pipeline.producers import first_candidates, oracle_contexts
from scorerec.pipeline.sources import BLIND, Source, busy_users, closeness, item_sets, liked_targets, random_users
from scorerec.retrieve.quality import neighbour_quality

CAR, UNTUNED = "CAR", "untuned retriever"
SARE, FIRST = "SARE's choice among K_e", "CAR's first K_s"
_DECIDES = "valid"  # the split that warnings are about
_TRAINING_ROWS = 4000
_NEIGHBOURS = 5  # of each user, whatever K_c: K_c of the paper
_log = logging.getLogger(__name__)


def measured_splits(config: ExperimentConfig) -> tuple[str, ...]:
    """Return the splits whose rows are measured: test rows only where results are written."""
    return ("train", "valid", "test") if config.evaluation.split == "test" else ("train", "valid")


def of_crm(run: Run, draft: Draft) -> None:
    """Measure the recommender alone, beside users who know nothing and the cosine of item sets."""
    _write(draft, _measured(run, is_whole=False))


def whole(run: Run, draft: Draft) -> None:
    """Measure every step on the way to the evidence."""
    _write(draft, _measured(run, is_whole=True))


def _write(draft: Draft, found: Signal) -> None:
    for warning in found.warnings:
        _log.warning(warning)
    (draft.path / SIGNAL).write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.facts.update(warnings=found.warnings)


def _measured(run: Run, is_whole: bool) -> Signal:
    behaviours, queries = run.behaviours, run.queries
    targets = {split: _targets(run, split) for split in measured_splits(run.config)}
    rows = {split: _rows(run, part, split) for split, part in targets.items()}
    asked = pa.concat_tables(targets.values())[QUERY_ID].combine_chunks()
    queries = queries.filter(pc.is_in(queries[QUERY_ID], asked))
    counts: list[UserCount] = []
    alike = []
    known: dict[tuple[str, str], npt.NDArray[np.bool_]] = {}
    training = run.table("neighbours", BEHAVIOURS)
    for source in _sources(run, behaviours, queries, is_whole):
        found = source.find(queries, behaviours, max(N_USERS))
        for split, part in targets.items():
            liked = known[source.name, split] = liked_targets(part, found, behaviours, max(N_USERS))
            counts += user_counts(source.name, rows[split], liked)
        quality = neighbour_quality(source.neighbours(training, _NEIGHBOURS), training)
        alike.append(NeighbourShare(source=source.name, **quality._asdict()))
    if is_whole:
        counts += _chosen(run, targets, rows, behaviours, known)
    warnings = count_warnings(counts, BLIND, _DECIDES)
    warnings += [
        f"THE USERS FROM {one.source} ARE RANDOM ONES: Jaccard {one.jaccard:.4f}, random {one.random_jaccard:.4f}"
        for one in alike
        if one.low <= 0 and one.source not in BLIND
    ]
    facts = run.artifact("crm").facts
    return Signal(
        recommender=run.config.crm.label,
        spread=StateSpread.model_validate(facts["spread"]),
        rankings=_rankings(run),
        alike=alike,
        counts=counts,
        differences=_differences(rows, known, run.config.evidence.n_context_users) if is_whole else [],
        warnings=[*facts["warnings"], *warnings],
    )


def _differences(
    rows: Mapping[str, SignalRows], known: Mapping[tuple[str, str], npt.NDArray[np.bool_]], n_context_users: int
) -> list[SourceDifference]:
    """Compare CAR with what it started from, and SARE's choice with CAR's order, where both were measured."""
    found = [
        source_difference(pair, rows[split], (known[pair[0], split], known[pair[1], split]), n_users)
        for split in rows
        for pair, n_users in (((CAR, UNTUNED), COMPARED), ((SARE, FIRST), n_context_users))
        if (pair[0], split) in known
    ]
    return [one for one in found if one is not None]


def _targets(run: Run, split: str) -> pa.Table:
    """Return the targets of a split; of the training rows a sample."""
    targets = run.targets(split)
    if split != "train" or targets.num_rows <= _TRAINING_ROWS:
        return targets
    drawn = generator(0, "signal", "train").permutation(targets.num_rows)[:_TRAINING_ROWS]
    return targets.take(np.sort(drawn))


def _rows(run: Run, targets: pa.Table, split: str) -> SignalRows:
    """Return users, labels and item means; a training row's own label is left out of its item's mean."""
    interactions = run.interactions
    weight = run.artifact("references").facts["item-mean"]["prior_weights"]["item"]
    train = interactions.filter(pc.equal(interactions[SPLIT], "train"))
    place = {item: number for number, item in enumerate(pc.unique(interactions[ITEM_ID]).to_pylist())}
    items = np.array([place[item] for item in train[ITEM_ID].to_pylist()], np.int64)
    labels = train[LABEL].to_numpy().astype(np.float64)
    liked, rated = (np.bincount(items, column, len(place)) for column in (labels, np.ones(len(labels))))
    own = np.array([place[item] for item in targets[ITEM_ID].to_pylist()], np.int64)
    label = targets[LABEL].to_numpy().astype(np.int8)
    seen = 1.0 if split == "train" else 0.0
    mean = (liked[own] - seen * label + weight * labels.mean()) / (rated[own] - seen + weight)
    mean = np.clip(mean, 1e-6, 1 - 1e-6)
    users = with_users(targets, run.queries)[USER_ID].to_pylist()
    numbers = np.unique(np.array(users, dtype=str), return_inverse=True)[1].astype(np.int64)
    return SignalRows(split, numbers, label, log_odds(mean))


def _sources(run: Run, behaviours: pa.Table, queries: pa.Table, is_whole: bool) -> list[Source]:
    found: list[Source] = [random_users(run.config.seed), busy_users()]
    sets = item_sets(behaviours, queries)
    if sets is not None:
        found.append(sets)
    ways: list[tuple[str, Any]] = []
    if is_whole:
        ways += [(UNTUNED, run.untuned_finder()), (CAR, run.finder())]
    if run.config.evidence.user_vectors is None:  # own vectors are of training users alone
        ways.insert(0, (f"{run.config.crm.label}, Eq. 4", run.taste_finder()))
    return [*found, *(Source(name, way.behaviours, way.queries, way.plain.behaviours) for name, way in ways)]


def _chosen(
    run: Run,
    targets: dict[str, pa.Table],
    rows: dict[str, SignalRows],
    behaviours: pa.Table,
    known: dict[tuple[str, str], npt.NDArray[np.bool_]],
) -> list[UserCount]:
    """Measure what SARE chooses for each target, and what an oracle would choose from the same candidates."""
    count = run.config.evidence.n_context_users
    if not count:
        return []
    contexts, candidates = run.table("contexts", CONTEXTS), run.table("candidates", CANDIDATES)
    encoder, writer = run.untuned_finder().encoder, run.prompter
    items = run.item_ids
    vectors = dict(zip(items, encode(encoder, [writer.describer.item(item) for item in items]), strict=True))
    newest = run.config.prompt.evidence_titles
    found = []
    for split, part in targets.items():
        of_name = {
            FIRST: first_candidates(part, candidates, count),
            SARE: contexts,
            "oracle's choice among K_e (knows the label)": oracle_contexts(part, candidates, behaviours, count),
        }
        for name, chosen in of_name.items():
            close = closeness(part, chosen, behaviours, vectors, newest)
            liked = known[name, split] = liked_targets(part, chosen, behaviours, count)
            counts = user_counts(name, rows[split], liked, (count,))
            found += [one.model_copy(update={"closeness": close}) for one in counts]
    return found


def _rankings(run: Run) -> list[Ranking]:
    """Rank held-out likes among the whole catalogue, by the recommender and by two that know less."""
    model, interactions = run.crm(), run.interactions
    n_items = len(model.catalogue)
    train, valid = (split_rows(interactions, model.catalogue, split) for split in ("train", "valid"))
    limit = run.config.crm.max_ranked_rows
    found: list[Ranking] = []
    scorers = {"popularity": popularity(train, n_items), run.config.crm.label: model.rank}
    try:
        wanted = rankable(valid, n_items)
    except DataError:
        return found
    if n_items <= MOST_ITEMS:
        scorers["item-kNN"] = item_knn(train, wanted, n_items)[0]
    for split in (split for split in measured_splits(run.config) if split != "train"):
        rows = _some(rankable(split_rows(interactions, model.catalogue, split), n_items), limit)
        for name, scorer in scorers.items():
            ranks = held_out_ranks(scorer, rows, n_items)
            found.append(Ranking(predictor=name, split=split, n_rows=len(rows), measures=ranking_metrics(ranks)))
    return found


def _some(rows: Rows, limit: int) -> Rows:
    chosen: npt.NDArray[np.int64] = generator(0, "signal", "ranked rows").permutation(len(rows))[:limit]
    return rows.take(np.sort(chosen))
