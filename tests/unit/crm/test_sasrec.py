import pytest
import torch

from scorerec.core.errors import ConfigError
from scorerec.crm.histories import Catalogue
from scorerec.crm.recipes.kind import ModelSettings
from scorerec.crm.recipes.sequence import TransformerSettings
from scorerec.crm.sasrec import SASRec

CATALOGUE = Catalogue([f"item {number}" for number in range(1, 31)])


def test_the_library_starts_with_small_weights():
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(0)
    fresh = SASRec(Catalogue([str(number) for number in range(2000)]), TransformerSettings())
    torch.random.set_rng_state(torch_state)
    assert float(fresh.item_embedding.weight[1:].detach().std()) == pytest.approx(0.02, rel=0.02)
    assert fresh.item_embedding.weight[0].abs().sum() == 0
    assert fresh.transformer.norm.eps == 1e-12


def test_heads_must_divide_the_dimension():
    with pytest.raises(ConfigError, match="got 64 and 3"):
        SASRec(CATALOGUE, TransformerSettings(n_heads=3))


def test_settings_of_another_model_are_refused():
    with pytest.raises(ConfigError, match="wanted TransformerSettings, got ModelSettings"):
        SASRec(CATALOGUE, ModelSettings())
