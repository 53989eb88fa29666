import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from scorerec.core.errors import ConfigError, DataError, ModelError
from scorerec.crm import train
from scorerec.crm.config import CRMConfig
from scorerec.crm.histories import split_rows
from scorerec.crm.recipes.sequence import TransformerSettings
from scorerec.crm.sasrec import SASRec
from scorerec.crm.train import fit_crm

ITEMS = [("a", 1), ("b", 0), ("c", 1)]
TINY = {"epochs": 3, "settings": {"dimension": 4, "inner_dimension": 4, "max_length": 4}}


def test_a_recipe_fills_in_what_is_not_given():
    library = CRMConfig.model_validate({"recipe": "library", "settings": {"dropout": 0.1}})
    assert isinstance(library.settings, TransformerSettings)
    assert (library.epochs, library.learning_rate, library.batch_size) == (300, 1e-3, 2048)
    assert (library.settings.objective, library.settings.dropout) == ("cross-entropy", 0.1)
    assert CRMConfig(recipe="library", epochs=7).epochs == 7
    assert (CRMConfig().recipe, CRMConfig().selection) == ("ranking", "ranking")
    assert CRMConfig().settings.objective == "cross-entropy"
    bce = CRMConfig(recipe="bce")
    assert (bce.settings.objective, bce.selection) == ("bce", "auc")
    assert CRMConfig().label == "SASRec"


@pytest.mark.parametrize("recipe", ["ranking", "bce", "library"])
def test_a_configuration_survives_being_written(recipe):
    config = CRMConfig(recipe=recipe)
    assert CRMConfig.model_validate(config.model_dump(mode="json")) == config
    assert "n_heads" in config.model_dump(mode="json")["settings"]


def test_the_library_recipe_is_the_librarys():
    settings = CRMConfig(recipe="library").settings.model_dump()
    assert settings == {
        "objective": "cross-entropy",
        "dimension": 64,
        "max_length": 50,
        "item_bias": False,
        "pooling": "last",
        "unit_states": False,
        "n_layers": 2,
        "n_heads": 2,
        "inner_dimension": 256,
        "dropout": 0.5,
        "attention_dropout": 0.5,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "oracle"}, r"crm\.model: wanted one of .*sasrec.*, got 'oracle'"),
        ({"recipe": "cake"}, r"sasrec has bce, library, ranking, and no recipe 'cake'"),
        ({"settings": {"hiden": 3}}, r"crm\.settings: hiden: no such setting; known here: .*dropout"),
        ({"settings": {"dropout": 2}}, r"crm\.settings: dropout: .*got 2"),
        ({"settings": 3}, r"wanted a table of settings, got 3"),
    ],
)
def test_a_wrong_setting_is_named(given, message):
    with pytest.raises(ConfigError, match=message):
        CRMConfig.model_validate(given)


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError, match="epoch"):
        CRMConfig.model_validate({"epoch": 3})


@pytest.mark.parametrize("selection", ["ranking", "auc"])
def test_the_best_epoch_is_kept(interactions, monkeypatch, selection):
    """Whatever happens afterwards: weights and facts are those of the best epoch by what selects, and by that alone."""
    qualities = {"decides": iter([0.5, 0.9, 0.7, 0.6]), "does not": iter([0.9, 0.5, 0.6, 0.7])}
    aucs, gains = (qualities[name] for name in (["does not", "decides"] if selection == "ranking" else qualities))
    weights = []

    def remember(model, valid):
        weights.append(model.item_embedding.weight.detach().clone())
        return np.full(len(valid), len(weights), float)

    kept = []
    monkeypatch.setattr(train, "_valid_logits", remember)
    monkeypatch.setattr(train, "auc", lambda *_: next(aucs))
    monkeypatch.setattr(train, "_ranking", lambda *_: {"ndcg@20": next(gains, -1.0)})
    monkeypatch.setattr(train, "platt_scaling", lambda logits, _: kept.append(logits[0]) or (1.0, 0.0))
    config = CRMConfig.model_validate({**TINY, "epochs": 9, "patience": 2, "learning_rate": 0.1})
    model, facts = fit_crm(interactions, config.model_copy(update={"selection": selection}), seed=0)
    assert (facts["epochs"], facts["best_epoch"]) == (4, 2)
    assert facts["curve"][1]["valid_ndcg@20" if selection == "ranking" else "valid_auc"] == 0.9
    assert facts["valid_auc"] == (0.5 if selection == "ranking" else 0.9)
    assert ("valid_ndcg@20" in facts["curve"][0]) is (selection == "ranking")
    assert kept == [2.0]  # calibrated on the logits of that epoch
    assert torch.equal(model.item_embedding.weight, weights[1])
    assert not torch.equal(model.item_embedding.weight, weights[3])


def test_facts_are_plain_values(interactions):
    _, facts = fit_crm(interactions, CRMConfig.model_validate(TINY), seed=0)
    assert facts["n_items"] == 4
    assert facts["n_train_rows"] == 6
    assert [epoch["epoch"] for epoch in facts["curve"]] == list(range(1, facts["epochs"] + 1))
    assert facts["valid_uauc"] is None  # nobody has validation rows of both labels
    assert set(facts["valid_ranking"]) == {"recall@10", "recall@20", "ndcg@10", "ndcg@20"}
    assert facts["valid_ranking"]["ndcg@20"] == pytest.approx(max(epoch["valid_ndcg@20"] for epoch in facts["curve"]))
    assert set(facts["spread"]) == {"mean_cosine", "effective_rank", "interaction_share"}
    assert json.loads(json.dumps(facts)) == facts


def test_without_a_like_that_can_be_ranked_only_labels_can_select(make_interactions):
    """Ann likes nothing new that training knows."""
    rows = [("ann", "a", 1, "train"), ("bob", "b", 1, "train"), ("ann", "a", 1, "valid"), ("ann", "b", 0, "valid")]
    with pytest.raises(DataError, match=r"ranking: wanted held-out likes .* none of 2 rows; .*crm\.selection=auc"):
        fit_crm(make_interactions(rows), CRMConfig.model_validate(TINY), seed=0)
    config = CRMConfig.model_validate({**TINY, "selection": "auc"})
    _, facts = fit_crm(make_interactions(rows), config, seed=0)
    assert facts["valid_ranking"] is None
    assert "valid_ndcg@20" not in facts["curve"][0]


def test_no_more_rows_are_ranked_than_asked_for(interactions, monkeypatch):
    asked = []
    ranking = train._ranking
    monkeypatch.setattr(train, "_ranking", lambda model, rows: asked.append(len(rows)) or ranking(model, rows))
    for limit in (1, 2, 6000):
        fit_crm(interactions, CRMConfig.model_validate({**TINY, "epochs": 1, "max_ranked_rows": limit}), seed=0)
    assert asked == [1, 1, 2, 2, 2, 2]  # after the epoch, and at the end


def test_a_loss_that_is_not_a_number_is_an_error(interactions, monkeypatch):
    monkeypatch.setattr(SASRec, "loss", lambda self, _: self.start.sum() * float("nan"))
    with pytest.raises(ModelError, match=r"SASRec: the training loss became nan; lower crm\.learning_rate"):
        fit_crm(interactions, CRMConfig.model_validate(TINY), seed=0)


def test_a_validation_score_that_is_not_a_number_is_an_error(interactions, monkeypatch):
    monkeypatch.setattr(SASRec, "logits", lambda self, rows: torch.full((len(rows),), float("inf")))
    with pytest.raises(ModelError, match="validation score"):
        fit_crm(interactions, CRMConfig.model_validate(TINY), seed=0)


@pytest.mark.parametrize("missing", ["train", "valid"])
def test_both_splits_are_needed(make_interactions, missing):
    splits = [split for split in ("train", "valid", "test") if split != missing]
    kept = make_interactions([("u", item, label, split) for split in splits for item, label in ITEMS])
    with pytest.raises(DataError, match="wanted training rows, and validation rows of both labels"):
        fit_crm(kept, CRMConfig.model_validate(TINY), seed=0)


def test_test_rows_are_not_looked_at(interactions):
    config = CRMConfig.model_validate(TINY)
    without = interactions.filter(np.array(interactions["split"].to_pylist()) != "test")
    assert fit_crm(without, config, seed=0)[1] == fit_crm(interactions, config, seed=0)[1]


def test_the_global_generator_is_left_alone(interactions):
    before = torch.random.get_rng_state()
    fit_crm(interactions, CRMConfig.model_validate(TINY), seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_probabilities_are_calibrated_on_validation(make_interactions):
    random = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{random.integers(9)}", int(random.random() < 0.8), split)
        for user in range(30)
        for split in ["train"] * 6 + ["valid"] * 3
    ]
    interactions = make_interactions(rows)
    model, _ = fit_crm(interactions, CRMConfig.model_validate({**TINY, "recipe": "library"}), seed=0)
    valid = split_rows(interactions, model.catalogue, "valid")
    slope, offset = model.calibration.tolist()
    probability = torch.sigmoid(slope * model.logits(valid) + offset)
    assert probability.mean().item() == pytest.approx(float(valid.label.mean()), abs=0.01)
