"""Stages of the recommender: training, its scores, and the neighbours that it gives (Eq. 3-4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.artifacts import MODEL, Draft
from scorerec.core.columns import BEHAVIOUR_ID, ITEM_IDS, LABEL, P_YES, SPLIT, TARGET_ID, USER_ID
from scorerec.core.tables import (
    BEHAVIOURS,
    NEIGHBOURS,
    SCORES,
    vectors_schema,
)
from scorerec.crm.combined import combine
from scorerec.crm.config import CRMConfig
from scorerec.crm.train import fit_crm
from scorerec.data.corpus import training_behaviours
from scorerec.experiment.run import Run
from scorerec.experiment.stages.judged import JUDGED, score_table
from scorerec.pipeline.prompting import requests
from scorerec.retrieve.item_sets import ItemSets, blended
from scorerec.retrieve.neighbours import find_neighbours
from scorerec.retrieve.quality import neighbour_quality, require_signal
from scorerec.retrieve.similarity import Similarity
from scorerec.retrieve.vectors import read_user_vectors, vector_table


def crm(run: Run, draft: Draft) -> None:
    """Train the recommender."""
    config = run.config
    model, facts = fit_crm(run.interactions, config.crm, config.seed, run.device, draft.checkpoint)
    model.save(draft.path / MODEL)
    draft.facts.update(facts)


def scores(run: Run, draft: Draft) -> None:
    """Score the judged rows."""
    model = run.crm()
    targets = run.targets(*JUDGED)
    _, histories, items = zip(*requests(targets, run.queries), strict=True)
    draft.write(SCORES, score_table(targets, "crm", model.score(histories, items)))


def scores_with_item_mean(run: Run, draft: Draft) -> None:
    """Combine the recommender with the mean of the item, by two weights that the validation rows decide."""
    targets = run.targets(*JUDGED)
    columns = []
    for stage, method in (("references", "item-mean"), ("crm-scores", "crm")):
        own = run.scores(stage, method)
        of_target = dict(zip(own[TARGET_ID].to_pylist(), own[P_YES].to_pylist(), strict=True))
        columns.append(np.array([of_target[name] for name in targets[TARGET_ID].to_pylist()]))
    is_valid = pc.equal(targets[SPLIT], "valid").to_numpy(zero_copy_only=False)
    labels = targets[LABEL].to_numpy().astype(np.int8)
    p_yes, facts = combine(columns[0], columns[1], labels, is_valid)
    draft.facts.update(facts)
    draft.write(SCORES, score_table(targets, "crm+item", p_yes))


def neighbours(run: Run, draft: Draft) -> None:
    """Eq. 3-4 over one final training behaviour per user, whatever corpus is retrieved from; noise is refused."""
    config = run.config.evidence
    behaviours = training_behaviours(run.interactions)
    own = config.user_vectors
    if own is None:
        states = run.crm().encode(behaviours[ITEM_IDS].to_pylist())
    else:
        states = read_user_vectors(own, behaviours[USER_ID].to_pylist())
    similarity = Similarity.of(states, config.similarity)
    taught = teaching(run, similarity.prepare(states), behaviours[ITEM_IDS].to_pylist(), behaviours)
    vectors = vector_table(BEHAVIOUR_ID, behaviours[BEHAVIOUR_ID].to_pylist(), taught)
    neighbours = find_neighbours(vectors, behaviours, config.n_neighbours)
    quality = neighbour_quality(neighbours, behaviours)
    warnings = quality.warnings(run.config.crm.label if own is None else str(own))
    draft.facts.update(quality=quality._asdict(), warnings=warnings)
    of_model = [] if own is not None else run.artifact("crm").facts.get("warnings", [])
    require_signal([*of_model, *warnings], config.force)
    similarity.save(draft.path)
    draft.write(BEHAVIOURS, behaviours)
    draft.write(vectors_schema(BEHAVIOUR_ID, taught.shape[1]), vectors)
    draft.write(NEIGHBOURS, neighbours)


def beside(run: Run, draft: Draft) -> None:
    """Train the other CRMs that choose neighbours too, each by its recipe for ranking."""
    config, interactions = run.config, run.interactions
    for name in config.evidence.beside:
        settings = CRMConfig.model_validate({"model": name})
        checkpoint = draft.checkpoint / name
        model, facts = fit_crm(interactions, settings, config.seed, run.device, checkpoint)
        model.save(draft.path / MODEL / name)
        draft.facts[name] = {
            key: facts[key] for key in ("best_epoch", "valid_auc", "valid_ranking", "spread", "warnings")
        }


def teaching(
    run: Run, prepared: npt.NDArray[np.float32], lists: Sequence[Sequence[str]], behaviours: pa.Table
) -> npt.NDArray[np.float32]:
    """Return the vectors by which neighbours are chosen that teach CAR.

    Args:
        run: of a stage that reads crm-beside.
        prepared: the CRM's vectors, prepared for Eq. 4, (N, d).
        lists: what they are of, N lists of items.
        behaviours: BEHAVIOURS of training, whose mean is the others' centre.
    """
    evidence, parts = run.config.evidence, [prepared]
    for name in evidence.beside:
        model = run.crm_beside(name)
        similarity = Similarity.of(model.encode(behaviours[ITEM_IDS].to_pylist()), evidence.similarity)
        parts.append(similarity.prepare(model.encode(lists)))
    vectors = np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))
    return blended(vectors, ItemSets(behaviours).vectors(lists), evidence.item_sets) if evidence.item_sets else vectors
