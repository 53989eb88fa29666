"""What an epoch is chosen by decides whether a recommender tells users apart.

Taste decides what is watched and quality what is liked, as in real ratings: labelled AUC asks for the item's mean
alone, and the rank of what is liked next asks for taste as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.tables import INTERACTIONS
from scorerec.crm.collapse import COLLAPSED
from scorerec.crm.config import CRMConfig
from scorerec.crm.registry import MODULES, model_kind
from scorerec.crm.train import fit_crm

N_USERS, N_ITEMS, N_ROWS = 60, 80, 30


def watched_by_taste() -> pa.Table:
    """A user watches one half of the catalogue, and likes nine of ten good items and three of twenty bad ones."""
    random = np.random.default_rng(0)
    is_good = random.random(N_ITEMS) < 0.5
    rows = []
    for user in range(N_USERS):
        items = random.permutation(np.flatnonzero(np.arange(N_ITEMS) % 2 == user % 2))[:N_ROWS]
        liked = random.random(N_ROWS) < np.where(is_good[items], 0.9, 0.15)
        n_before = np.cumsum(liked) - liked
        for place, item in enumerate(items):
            split = "train" if place < 20 else "valid" if place < 26 else "test"
            when = place * N_USERS + user
            rows.append((when, f"u{user}", f"i{item}", None, int(liked[place]), when, split, n_before[place]))
    columns = zip(*sorted(rows), strict=True)
    return INTERACTIONS.check(pa.table(dict(zip(INTERACTIONS.columns.names, map(list, columns), strict=True))))


@pytest.fixture(scope="module")
def interactions() -> pa.Table:
    return watched_by_taste()


def trained(interactions: pa.Table, name: str, recipe: str, **given: Any) -> dict[str, Any]:
    """Return the facts of a short training."""
    short = {"epochs": 20, "patience": 20, "batch_size": 128, "learning_rate": 0.003}
    return fit_crm(interactions, CRMConfig(model=name, recipe=recipe, **short, **given), seed=0)[1]


@pytest.mark.parametrize("name", MODULES)
def test_the_default_recipe_tells_users_apart(interactions, name):
    facts = trained(interactions, name, CRMConfig.model_fields["recipe"].default)
    assert facts["spread"]["interaction_share"] > 5 * COLLAPSED
    assert facts["warnings"] == []
    assert facts["best_epoch"] == max(facts["curve"], key=lambda epoch: epoch["valid_ndcg@20"])["epoch"]
    assert facts["valid_ranking"]["ndcg@20"] == max(epoch["valid_ndcg@20"] for epoch in facts["curve"])


@pytest.mark.parametrize(("name", "weight_decay"), [("sasrec", 5.0), ("sasrec", 20.0), ("core", 60.0)])
def test_labels_choose_an_item_mean_where_ranks_do_not(interactions, name, weight_decay):
    """The same training under a weight decay that in the end leaves nothing of the user."""
    by_labels, by_ranks = (
        trained(interactions, name, "bce", weight_decay=weight_decay, selection=selection)
        for selection in ("auc", "ranking")
    )
    assert by_labels["spread"]["interaction_share"] < COLLAPSED
    (warning,) = by_labels["warnings"]
    assert f"{model_kind(name).label} IS AN ITEM MEAN" in warning
    assert "crm.recipe" in warning
    assert by_ranks["spread"]["interaction_share"] > 10 * COLLAPSED
    assert by_ranks["warnings"] == []
    assert by_labels["valid_auc"] > by_ranks["valid_auc"]
    assert by_labels["valid_ranking"]["ndcg@20"] < by_ranks["valid_ranking"]["ndcg@20"]
    shared = min(by_labels["epochs"], by_ranks["epochs"])
    losses = [[epoch["loss"] for epoch in facts["curve"][:shared]] for facts in (by_labels, by_ranks)]
    assert losses[0] == losses[1]  # what selects does not change what is trained


@pytest.mark.parametrize("name", ["din", "gru4rec"])
def test_where_every_epoch_is_an_item_mean_selection_cannot_help_and_says_so(interactions, name):
    facts = trained(interactions, name, "bce", weight_decay=60.0, selection="ranking")
    assert facts["spread"]["interaction_share"] < COLLAPSED
    assert len(facts["warnings"]) == 1
