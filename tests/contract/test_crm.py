"""What every conventional recommender must do; a new model is tested as soon as it is registered."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import roc_auc_score

import scorerec.crm
from scorerec.core.artifacts import SECONDS_BEFORE
from scorerec.core.errors import ModelError
from scorerec.core.tables import INTERACTIONS
from scorerec.crm.base import ConventionalRecommender
from scorerec.crm.collapse import COLLAPSED
from scorerec.crm.config import CRMConfig
from scorerec.crm.histories import Rows, whole_histories
from scorerec.crm.recipes.kind import ModelSettings
from scorerec.crm.registry import MODULES, load_crm, model_class, model_kind
from scorerec.crm.train import fit_crm
from scorerec.nn import checkpoints
from scorerec.nn.checkpoints import Checkpoint
from scorerec.retrieve.config import SimilarityConfig
from scorerec.retrieve.similarity import Similarity

KINDS = [(name, recipe) for name in MODULES for recipe in model_kind(name).recipes]
FINDING_USERS = [
    (name, recipe) for name, recipe in KINDS if CRMConfig(model=name, recipe=recipe).selection == "ranking"
]
N_USERS, N_ITEMS, N_ROWS = 60, 40, 24


def planted() -> pa.Table:
    """Two tastes: a user likes nine of ten items of one half of the catalogue, and one of ten of the other."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(N_USERS):
        items = random.permutation(N_ITEMS)[:N_ROWS]
        liked = random.random(N_ROWS) < np.where(items % 2 == user % 2, 0.9, 0.1)
        n_before = np.cumsum(liked) - liked
        for place, item in enumerate(items):
            split = "train" if place < 16 else "valid" if place < 20 else "test"
            when = place * N_USERS + user
            rows.append((when, f"u{user}", f"i{item}", None, int(liked[place]), when, split, n_before[place]))
    columns = zip(*sorted(rows), strict=True)
    return INTERACTIONS.check(pa.table(dict(zip(INTERACTIONS.columns.names, map(list, columns), strict=True))))


def short(name: str, recipe: str) -> CRMConfig:
    return CRMConfig(model=name, recipe=recipe, epochs=25, patience=25, batch_size=128, learning_rate=0.003)


@pytest.fixture(scope="module")
def interactions() -> pa.Table:
    return planted()


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def fitted(request, interactions):
    """A trained model, its facts and its configuration."""
    config = short(*request.param)
    return *fit_crm(interactions, config, seed=0), config


HISTORIES = [
    [],
    ["i2", "i4", "i8", "i6"],
    ["never seen"],
    ["i1", "never seen", "i3"],
    ["i1", "i1", "i1"],
    [f"i{number % N_ITEMS}" for number in range(700)],
]


def test_no_model_escapes_this_suite():
    for module in pkgutil.iter_modules(scorerec.crm.__path__, "scorerec.crm."):
        importlib.import_module(module.name)
    found, waiting = set(), [ConventionalRecommender]
    while waiting:
        waiting += (children := waiting.pop().__subclasses__())
        found |= {
            child for child in children if child.__module__.startswith("scorerec.") and not inspect.isabstract(child)
        }
    assert found == {model_class(name) for name in MODULES}
    assert all(model.kind is model_kind(model.kind.name) for model in found)


@pytest.mark.parametrize("name", MODULES)
def test_a_model_says_what_it_is(name):
    model = model_kind(name)
    assert model.name == name
    assert model.label
    assert issubclass(model.settings, ModelSettings)
    assert "ranking" in model.recipes  # the default
    assert all(field.description for field in model.settings.model_fields.values())


def test_any_history_has_a_vector(fitted):
    model, _, _ = fitted
    vectors = model.encode(HISTORIES)
    assert vectors.shape == (len(HISTORIES), vectors.shape[1])
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    np.testing.assert_array_equal(vectors[0], vectors[2])  # unknown items are skipped
    np.testing.assert_allclose(vectors[3], model.encode([["i1", "i3"]])[0], atol=1e-5)
    assert model.encode([]).shape == (0, vectors.shape[1])


def test_any_pair_has_a_probability(fitted):
    model, _, _ = fitted
    items = ["i1", "i2", "i3", "never seen", "never seen", "i5"]
    scores = model.score(HISTORIES, items)
    assert scores.shape == (len(HISTORIES),)
    assert scores.dtype == np.float64
    assert ((scores >= 0) & (scores <= 1)).all()
    assert model.score([], []).shape == (0,)
    with pytest.raises(ModelError, match="one item per history"):
        model.score([[]], [])


def test_items_have_vectors(fitted):
    model, _, _ = fitted
    vectors = model.item_vectors(["i1", "i2", "never seen", "not this one either"])
    assert vectors.dtype == np.float32
    assert len(np.unique(vectors, axis=0)) == 3
    np.testing.assert_allclose(vectors[2], model.item_vectors(model.catalogue.item_ids).mean(0), atol=1e-6)


def test_company_changes_nothing(fitted):
    """A history has the same vector and score alone and among others."""
    model, _, _ = fitted
    items = ["i7"] * len(HISTORIES)
    vectors, scores = model.encode(HISTORIES), model.score(HISTORIES, items)
    for number, history in enumerate(HISTORIES):
        np.testing.assert_allclose(model.encode([history])[0], vectors[number], atol=1e-5)
        np.testing.assert_allclose(model.score([history], ["i7"])[0], scores[number], atol=1e-5)


def test_the_whole_catalogue_is_scored_as_its_items_are_one_by_one(fitted):
    """Column i is item number i + 1, after any history: what epochs are selected by is what is scored with."""
    model, _, _ = fitted
    prefixes = whole_histories(HISTORIES, model.catalogue)
    table = model.rank(prefixes)
    assert table.shape == (len(HISTORIES), len(model.catalogue))
    assert table.dtype == np.float32
    with torch.inference_mode():
        for column in range(len(model.catalogue)):
            item = np.full(len(HISTORIES), column + 1)
            one = model.logits(Rows(prefixes, item, np.zeros(len(HISTORIES), np.float32)))
            np.testing.assert_allclose(table[:, column], one.numpy(), rtol=1e-4, atol=1e-4)
    assert model.rank(prefixes.take(np.zeros(0, np.int64))).shape == (0, len(model.catalogue))


def test_states_are_the_vectors_of_histories(fitted):
    model, _, _ = fitted
    np.testing.assert_array_equal(model.states(whole_histories(HISTORIES, model.catalogue)), model.encode(HISTORIES))


def test_a_saved_model_is_the_same_model(fitted, tmp_path):
    model, _, _ = fitted
    model.save(tmp_path / "model")
    loaded = load_crm(tmp_path / "model")
    assert type(loaded) is type(model)
    assert not loaded.training
    assert loaded.settings == model.settings
    items = ["i1", "i2", "i3", "never seen", "i4", "i5"]
    np.testing.assert_array_equal(loaded.encode(HISTORIES), model.encode(HISTORIES))
    np.testing.assert_array_equal(loaded.score(HISTORIES, items), model.score(HISTORIES, items))
    np.testing.assert_array_equal(loaded.item_vectors(items), model.item_vectors(items))


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_the_seed_decides_everything(kind, interactions):
    config = short(*kind).model_copy(update={"epochs": 2})
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(states))  # what the global generator holds must not matter
        states.append(fit_crm(interactions, config, seed)[0].state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_killed_after_every_epoch_it_ends_as_if_left_alone(kind, interactions, tmp_path, monkeypatch):
    config = short(*kind).model_copy(update={"epochs": 4})
    whole, facts = fit_crm(interactions, config, seed=0)
    save = Checkpoint.save

    def save_and_die(self, *state):
        save(self, *state)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "MINUTES", 0.0)
    monkeypatch.setattr(checkpoints, "_SHARE", 1e9)
    monkeypatch.setattr(Checkpoint, "save", save_and_die)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            fit_crm(interactions, config, 0, "cpu", tmp_path / "checkpoint")
    again, facts_again = fit_crm(interactions, config, 0, "cpu", tmp_path / "checkpoint")
    assert {**facts_again, SECONDS_BEFORE: 0.0} == facts
    assert whole.state_dict().keys() == again.state_dict().keys()
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in whole.state_dict().items())
    assert list(tmp_path.iterdir()) == []


def test_planted_tastes_are_found(fitted, interactions):
    """On test rows, with each row's own prefix, by AUC; and by what two histories of one taste have in common."""
    model, facts, _ = fitted
    rows = interactions.to_pylist()
    liked = {}
    histories, items, labels = [], [], []
    for row in rows:
        history = liked.setdefault(row["user_id"], [])
        if row["split"] == "test":
            histories.append(list(history))
            items.append(row["item_id"])
            labels.append(row["label"])
        if row["label"]:
            history.append(row["item_id"])
    assert roc_auc_score(labels, model.score(histories, items)) > 0.7
    assert facts["valid_auc"] > 0.7
    even, odd, even_too = model.encode([["i2", "i4", "i8"], ["i1", "i3", "i7"], ["i10", "i14", "i20"]])
    assert even @ even_too > even @ odd


@pytest.mark.parametrize("fitted", FINDING_USERS, ids="-".join, indirect=True, scope="module")
def test_the_users_that_it_finds_alike_are_of_one_taste(fitted, interactions):
    """By centred states of length 1, as Eq. 4 may read them; selected by labels, a model finds nobody."""
    model, facts, config = fitted
    liked = [[] for _ in range(N_USERS)]
    for row in interactions.to_pylist():
        if row["split"] == "train" and row["label"]:
            liked[int(row["user_id"][1:])].append(row["item_id"])
    states = model.encode(liked)
    prepared = Similarity.of(states, SimilarityConfig(centre=True, unit=True)).prepare(states)
    cosines = prepared @ prepared.T
    taste = np.arange(N_USERS) % 2
    same = taste[:, None] == taste[None]
    others = ~np.eye(N_USERS, dtype=bool)
    twins = np.where(others, cosines, -2.0).argmax(1)
    right = (taste[twins] == taste).mean()
    assert right == 1.0 if config.recipe == "ranking" else right > 0.9
    assert cosines[same & others].mean() > cosines[~same].mean() + 0.7
    assert (cosines[np.arange(N_USERS), twins] > np.where(same, -2.0, cosines).mean(1) + 0.5).all()
    assert facts["spread"]["interaction_share"] > 10 * COLLAPSED
    assert facts["warnings"] == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_a_gpu_does_the_same(kind, interactions, tmp_path):
    config = short(*kind).model_copy(update={"epochs": 3})
    model, _ = fit_crm(interactions, config, seed=0, device="cuda")
    assert model.device.type == "cuda"
    model.save(tmp_path)
    on_cpu = load_crm(tmp_path, device="cpu")
    np.testing.assert_allclose(model.encode(HISTORIES), on_cpu.encode(HISTORIES), atol=1e-3)
