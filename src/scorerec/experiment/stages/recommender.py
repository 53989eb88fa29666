"""Stages of the recommender: training, its scores, and the neighbours that it gives (Eq. 3-4)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.artifacts import MODEL, Draft
from scorerec.core.tables import (
    BEHAVIOURS,
    INTERACTIONS,
    NEIGHBOURS,
    QUERIES,
    SCORES,
    TARGETS,
    vectors_schema,
)
from scorerec.crm.combined import combine
from scorerec.crm.config import CRMConfig
from scorerec.crm.registry import load_crm
from scorerec.crm.train import fit_crm
from scorerec.data.corpus import training_behaviours
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.methods import ITEM_MEAN
from scorerec.experiment.runner import Context, Stage
from scorerec.experiment.stages.judged import JUDGED, in_splits, score_table
from scorerec.experiment.stages.parts import model_folder
from scorerec.nn.devices import choose_device
from scorerec.pipeline.prompting import requests
from scorerec.retrieve.item_sets import ItemSets, blended
from scorerec.retrieve.neighbours import find_neighbours
from scorerec.retrieve.quality import neighbour_quality, require_signal
from scorerec.retrieve.similarity import Similarity
from scorerec.retrieve.vectors import read_user_vectors, vector_table


def _crm(context: Context, draft: Draft) -> None:
    config = context.config
    interactions = context.inputs["data"].table(INTERACTIONS)
    model, facts = fit_crm(interactions, config.crm, config.seed, choose_device(config.device), draft.checkpoint)
    model.save(draft.path / MODEL)
    draft.facts.update(facts)


def _crm_scores(context: Context, draft: Draft) -> None:
    model = load_crm(model_folder(context, "crm"))
    corpus = context.inputs["corpus"]
    targets = in_splits(corpus.table(TARGETS), JUDGED)
    _, histories, items = zip(*requests(targets, corpus.table(QUERIES)), strict=True)
    draft.write(SCORES, score_table(targets, context.config.crm.label, model.score(histories, items)))


def _crm_item_scores(context: Context, draft: Draft) -> None:
    """Combine the recommender with the mean of the item, by two weights that the validation rows decide."""
    targets = in_splits(context.inputs["corpus"].table(TARGETS), JUDGED)
    columns = []
    for stage, method in (("references", ITEM_MEAN), ("crm-scores", context.config.crm.label)):
        scores = context.inputs[stage].table(SCORES)
        own = scores.filter(pc.equal(scores["method"], method))
        of_target = dict(zip(own["target_id"].to_pylist(), own["p_yes"].to_pylist(), strict=True))
        columns.append(np.array([of_target[name] for name in targets["target_id"].to_pylist()]))
    is_valid = pc.equal(targets["split"], "valid").to_numpy(zero_copy_only=False)
    labels = targets["label"].to_numpy().astype(np.int8)
    p_yes, facts = combine(columns[0], columns[1], labels, is_valid)
    draft.facts.update(facts)
    draft.write(SCORES, score_table(targets, f"{context.config.crm.label} + item mean", p_yes))


def _neighbours(context: Context, draft: Draft) -> None:
    """Eq. 3-4 over one final training behaviour per user, whatever corpus is retrieved from; noise is refused."""
    config = context.config.evidence
    behaviours = training_behaviours(context.inputs["data"].table(INTERACTIONS))
    own = config.user_vectors
    if own is None:
        states = load_crm(model_folder(context, "crm")).encode(behaviours["item_ids"].to_pylist())
    else:
        states = read_user_vectors(own, behaviours["user_id"].to_pylist())
    similarity = Similarity.of(states, config.similarity)
    taught = teaching(context, similarity.prepare(states), behaviours["item_ids"].to_pylist(), behaviours)
    vectors = vector_table("behaviour_id", behaviours["behaviour_id"].to_pylist(), taught)
    neighbours = find_neighbours(vectors, behaviours, config.n_neighbours)
    quality = neighbour_quality(neighbours, behaviours)
    warnings = quality.warnings(context.config.crm.label if own is None else str(own))
    draft.facts.update(quality=quality._asdict(), warnings=warnings)
    of_model = [] if own is not None else context.inputs["crm"].facts.get("warnings", [])
    require_signal([*of_model, *warnings], config.force)
    similarity.save(draft.path)
    draft.write(BEHAVIOURS, behaviours)
    draft.write(vectors_schema("behaviour_id", taught.shape[1]), vectors)
    draft.write(NEIGHBOURS, neighbours)


def _beside(context: Context, draft: Draft) -> None:
    """Train the other CRMs that choose neighbours too, each by its recipe for ranking."""
    config, interactions = context.config, context.inputs["data"].table(INTERACTIONS)
    for name in config.evidence.beside:
        settings = CRMConfig.model_validate({"model": name})
        checkpoint = draft.checkpoint / name
        model, facts = fit_crm(interactions, settings, config.seed, choose_device(config.device), checkpoint)
        model.save(draft.path / MODEL / name)
        draft.facts[name] = {
            key: facts[key] for key in ("best_epoch", "valid_auc", "valid_ranking", "spread", "warnings")
        }


def teaching(
    context: Context, prepared: npt.NDArray[np.float32], lists: Sequence[Sequence[str]], behaviours: pa.Table
) -> npt.NDArray[np.float32]:
    """Return the vectors by which neighbours are chosen that teach CAR.

    Args:
        context: of a stage that reads crm-beside.
        prepared: the CRM's vectors, prepared for Eq. 4, (N, d).
        lists: what they are of, N lists of items.
        behaviours: BEHAVIOURS of training, whose mean is the others' centre.
    """
    evidence, parts = context.config.evidence, [prepared]
    for name in evidence.beside:
        model = load_crm(context.path("crm-beside") / MODEL / name)
        similarity = Similarity.of(model.encode(behaviours["item_ids"].to_pylist()), evidence.similarity)
        parts.append(similarity.prepare(model.encode(lists)))
    vectors = np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))
    return blended(vectors, ItemSets(behaviours).vectors(lists), evidence.item_sets) if evidence.item_sets else vectors


def _beside_settings(config: ExperimentConfig) -> list[dict[str, Any]]:
    return [CRMConfig.model_validate({"model": name}).model_dump(mode="json") for name in config.evidence.beside]


def _neighbours_settings(config: ExperimentConfig) -> dict[str, Any]:
    own = config.evidence.user_vectors
    evidence = config.evidence
    settings: dict[str, Any] = {
        "n": evidence.n_neighbours,
        "similarity": evidence.similarity.model_dump(mode="json"),
        "item_sets": evidence.item_sets,
        "force": evidence.force,
    }
    if own is not None:  # their content decides, wherever they lie
        settings["user_vectors"] = hashlib.sha256(own.read_bytes()).hexdigest() if own.is_file() else str(own)
    return settings


STAGES = (
    Stage("crm", ("data",), lambda config: config.crm.model_dump(mode="json"), _crm),
    Stage("crm-scores", ("corpus", "crm"), lambda _: {}, _crm_scores),
    Stage("crm-item-scores", ("corpus", "references", "crm-scores"), lambda _: {}, _crm_item_scores),
    Stage("crm-beside", ("data",), lambda config: {"models": _beside_settings(config)}, _beside),
    Stage("neighbours", ("data", "crm", "crm-beside"), _neighbours_settings, _neighbours, version=2),
)
