"""Is there a signal? Each way of finding users is measured before any language model reads what they liked."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.artifacts import Draft
from scorerec.core.errors import DataError
from scorerec.core.randomness import generator
from scorerec.core.tables import BEHAVIOURS, CANDIDATES, CONTEXTS, INTERACTIONS, ITEMS, QUERIES, TARGETS
from scorerec.crm.histories import Rows, split_rows
from scorerec.crm.ranking import MOST_ITEMS, held_out_ranks, item_knn, popularity, rankable
from scorerec.crm.registry import load_crm
from scorerec.evaluate.results import NeighbourShare, Ranking, Signal, SourceDifference, StateSpread, UserCount
from scorerec.evaluate.signal import COMPARED, N_USERS, SignalRows, count_warnings, source_difference, user_counts
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.evidence import untuned_finder
from scorerec.experiment.stages.judged import in_splits, with_users
from scorerec.experiment.stages.parts import finder, model_folder, prompter
from scorerec.experiment.stages.variants import taste_finder
from scorerec.metrics.ranking import ranking_metrics
from scorerec.nn.encoders import encode
from scorerec.pipeline.producers import first_candidates, oracle_contexts
from scorerec.pipeline.sources import BLIND, Source, busy_users, closeness, item_sets, liked_targets, random_users
from scorerec.retrieve.quality import neighbour_quality

SIGNAL = "signal.json"
CAR, UNTUNED = "CAR", "untuned retriever"
SARE, FIRST = "SARE's choice among K_e", "CAR's first K_s"
_DECIDES = "valid"  # the split that warnings are about
_TRAINING_ROWS = 4000
_NEIGHBOURS = 5  # of each user, whatever K_c: K_c of the paper
_log = logging.getLogger(__name__)


def measured_splits(config: ExperimentConfig) -> tuple[str, ...]:
    """Return the splits whose rows are measured: test rows only where results are written."""
    return ("train", "valid", "test") if config.evaluation.split == "test" else ("train", "valid")


def _signal_of_crm(context: Context, draft: Draft) -> None:
    """Measure the recommender alone, beside users who know nothing and the cosine of item sets."""
    _write(draft, _measured(context, whole=False))


def _signal(context: Context, draft: Draft) -> None:
    """Measure every step on the way to the evidence."""
    _write(draft, _measured(context, whole=True))


def _write(draft: Draft, found: Signal) -> None:
    for warning in found.warnings:
        _log.warning(warning)
    (draft.path / SIGNAL).write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.facts.update(warnings=found.warnings)


def _measured(context: Context, whole: bool) -> Signal:
    corpus = context.inputs["corpus"]
    behaviours, queries = corpus.table(BEHAVIOURS), corpus.table(QUERIES)
    targets = {split: _targets(context, split) for split in measured_splits(context.config)}
    rows = {split: _rows(context, part, split) for split, part in targets.items()}
    asked = pa.concat_tables(targets.values())["query_id"].combine_chunks()
    queries = queries.filter(pc.is_in(queries["query_id"], asked))
    counts: list[UserCount] = []
    alike = []
    known: dict[tuple[str, str], npt.NDArray[np.bool_]] = {}
    training = context.inputs["neighbours"].table(BEHAVIOURS)
    for source in _sources(context, behaviours, queries, whole):
        found = source.find(queries, behaviours, max(N_USERS))
        for split, part in targets.items():
            liked = known[source.name, split] = liked_targets(part, found, behaviours, max(N_USERS))
            counts += user_counts(source.name, rows[split], liked)
        quality = neighbour_quality(source.neighbours(training, _NEIGHBOURS), training)
        alike.append(NeighbourShare(source=source.name, **quality._asdict()))
    if whole:
        counts += _chosen(context, targets, rows, behaviours, known)
    warnings = count_warnings(counts, BLIND, _DECIDES)
    warnings += [
        f"THE USERS FROM {one.source} ARE RANDOM ONES: Jaccard {one.jaccard:.4f}, random {one.random_jaccard:.4f}"
        for one in alike
        if one.low <= 0 and one.source not in BLIND
    ]
    facts = context.inputs["crm"].facts
    return Signal(
        recommender=context.config.crm.label,
        spread=StateSpread.model_validate(facts["spread"]),
        rankings=_rankings(context),
        alike=alike,
        counts=counts,
        differences=_differences(rows, known, context.config.evidence.n_context_users),
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


def read_signal(folder: Path) -> Signal:
    """Return what the stage wrote into its folder."""
    return Signal.model_validate(json.loads((folder / SIGNAL).read_text(encoding="utf-8")))


def _targets(context: Context, split: str) -> pa.Table:
    """Return the targets of a split; of the training rows a sample."""
    targets = in_splits(context.inputs["corpus"].table(TARGETS), (split,))
    if split != "train" or targets.num_rows <= _TRAINING_ROWS:
        return targets
    drawn = generator(0, "signal", "train").permutation(targets.num_rows)[:_TRAINING_ROWS]
    return targets.take(np.sort(drawn))


def _rows(context: Context, targets: pa.Table, split: str) -> SignalRows:
    """Return users, labels and item means; a training row's own label is left out of its item's mean."""
    interactions = context.inputs["data"].table(INTERACTIONS)
    weight = context.inputs["references"].facts["item-mean"]["prior_weights"]["item"]
    train = interactions.filter(pc.equal(interactions["split"], "train"))
    place = {item: number for number, item in enumerate(pc.unique(interactions["item_id"]).to_pylist())}
    items = np.array([place[item] for item in train["item_id"].to_pylist()], np.int64)
    labels = train["label"].to_numpy().astype(np.float64)
    liked, rated = (np.bincount(items, column, len(place)) for column in (labels, np.ones(len(labels))))
    own = np.array([place[item] for item in targets["item_id"].to_pylist()], np.int64)
    label = targets["label"].to_numpy().astype(np.int8)
    seen = 1.0 if split == "train" else 0.0
    mean = (liked[own] - seen * label + weight * labels.mean()) / (rated[own] - seen + weight)
    mean = np.clip(mean, 1e-6, 1 - 1e-6)
    users = with_users(targets, context.inputs["corpus"].table(QUERIES))["user_id"].to_pylist()
    numbers = np.unique(np.array(users, dtype=str), return_inverse=True)[1].astype(np.int64)
    return SignalRows(split, numbers, label, np.log(mean) - np.log1p(-mean))


def _sources(context: Context, behaviours: pa.Table, queries: pa.Table, whole: bool) -> list[Source]:
    found: list[Source] = [random_users(context.config.seed), busy_users()]
    sets = item_sets(behaviours, queries)
    if sets is not None:
        found.append(sets)
    ways: list[tuple[str, Any]] = []
    if whole:
        ways += [(UNTUNED, untuned_finder(context)), (CAR, finder(context.config, context.inputs))]
    if context.config.evidence.user_vectors is None:  # own vectors are of training users alone
        ways.insert(0, (f"{context.config.crm.label}, Eq. 4", taste_finder(context)))
    return [*found, *(Source(name, way.behaviours, way.queries, way.plain.behaviours) for name, way in ways)]


def _chosen(
    context: Context,
    targets: dict[str, pa.Table],
    rows: dict[str, SignalRows],
    behaviours: pa.Table,
    known: dict[tuple[str, str], npt.NDArray[np.bool_]],
) -> list[UserCount]:
    """Measure what SARE chooses for each target, and what an oracle would choose from the same candidates."""
    inputs, evidence = context.inputs, context.config.evidence
    count = evidence.n_context_users
    if not count:
        return []
    contexts, candidates = inputs["contexts"].table(CONTEXTS), inputs["candidates"].table(CANDIDATES)
    encoder, writer = untuned_finder(context).encoder, prompter(context)
    items = inputs["data"].table(ITEMS)["item_id"].to_pylist()
    vectors = dict(zip(items, encode(encoder, [writer.describer.item(item) for item in items]), strict=True))
    newest = context.config.prompt.evidence_titles
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


def _rankings(context: Context) -> list[Ranking]:
    """Rank held-out likes among the whole catalogue, by the recommender and by two that know less."""
    model, interactions = load_crm(model_folder(context, "crm")), context.inputs["data"].table(INTERACTIONS)
    n_items = len(model.catalogue)
    train, valid = (split_rows(interactions, model.catalogue, split) for split in ("train", "valid"))
    limit = context.config.crm.max_ranked_rows
    found: list[Ranking] = []
    scorers = {"popularity": popularity(train, n_items), context.config.crm.label: model.rank}
    try:
        wanted = rankable(valid, n_items)
    except DataError:
        return found
    if n_items <= MOST_ITEMS:
        scorers["item-kNN"] = item_knn(train, wanted, n_items)[0]
    for split in (split for split in measured_splits(context.config) if split != "train"):
        rows = _some(rankable(split_rows(interactions, model.catalogue, split), n_items), limit)
        for name, scorer in scorers.items():
            ranks = held_out_ranks(scorer, rows, n_items)
            found.append(Ranking(predictor=name, split=split, n_rows=len(rows), measures=ranking_metrics(ranks)))
    return found


def _some(rows: Rows, limit: int) -> Rows:
    chosen: npt.NDArray[np.int64] = generator(0, "signal", "ranked rows").permutation(len(rows))[:limit]
    return rows.take(np.sort(chosen))


def _settings(config: ExperimentConfig) -> dict[str, Any]:
    return {
        "splits": measured_splits(config),
        "n_neighbours": config.evidence.n_neighbours,
        "activity": config.finding.activity,
    }


# Not among the stages of a run, which measures every step: for recommenders that are only compared.
SIGNAL_OF_CRM = Stage("signal-crm", ("data", "corpus", "references", "crm", "neighbours"), _settings, _signal_of_crm)
STAGES = (
    Stage(
        "signal",
        ("data", "corpus", "references", "crm", "neighbours", "car", "candidates", "sare", "contexts"),
        lambda config: {**_settings(config), "untuned": [config.car.model, config.car.max_length]},
        _signal,
    ),
)
