import json

import pytest
import torch

from scorerec.core.errors import ArtifactError, ConfigError
from scorerec.crm.base import ConventionalRecommender
from scorerec.crm.histories import Catalogue
from scorerec.crm.recipes.sequence import TransformerSettings
from scorerec.crm.registry import load_crm, model_class
from scorerec.crm.sasrec import SASRec


@pytest.fixture
def folder(tmp_path):
    with torch.random.fork_rng():
        SASRec(Catalogue(["a", "É"]), TransformerSettings(dimension=4)).save(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_is_weights_and_text(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["crm.json", "model.safetensors"]
    assert load_crm(folder).catalogue.item_ids == ("a", "É")


def change(folder, **values):
    path = folder / "crm.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "oracle"}, "holds a 'oracle'; this version knows .*sasrec"),
        ({"format": 0}, "written in format 0, this is 1; train it again"),
        ({"item_ids": ["a"]}, r"model\.safetensors: cannot be read"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(folder, values, message):
    change(folder, **values)
    with pytest.raises(ArtifactError, match=message):
        load_crm(folder)


def test_damage_is_named(folder):
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match=r"model\.safetensors: cannot be read"):
        load_crm(folder)
    (folder / "crm.json").write_text("[]")
    with pytest.raises(ArtifactError, match=r"crm\.json: no usable description"):
        load_crm(folder)
    with pytest.raises(ArtifactError, match="no usable description"):
        load_crm(folder / "nowhere")


def test_a_class_loads_no_other_model(folder, monkeypatch):
    change(folder, model="oracle")
    with pytest.raises(ArtifactError, match="holds a 'oracle', wanted 'sasrec'"):
        SASRec.load(folder)


def test_an_unknown_model_is_named():
    assert issubclass(model_class("sasrec"), ConventionalRecommender)
    with pytest.raises(ConfigError, match="got 'oracle'"):
        model_class("oracle")
