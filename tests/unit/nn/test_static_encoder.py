import numpy as np
import pytest

from scorerec.nn import static_encoder
from scorerec.nn.encoders import encode, load_encoder
from scorerec.nn.static_encoder import distil


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scorerec"


def test_token_vectors_are_computed_once_and_kept(bert_folder, cache, monkeypatch):
    teacher = load_encoder(str(bert_folder))
    first = distil(teacher, "checksum")
    assert [path.name for path in cache.iterdir()] == ["token-vectors-checksum.safetensors"]
    monkeypatch.setattr(static_encoder, "_token_vectors", lambda _: pytest.fail("computed again"))
    assert np.array_equal(encode(first, ["doom emma"]), encode(distil(teacher, "checksum"), ["doom emma"]))


def test_reserved_tokens_are_silent_and_frequent_ones_quiet(bert_folder, cache):
    weights = static_encoder._sif_weights(10, 5)
    assert weights[:5].tolist() == [0] * 5
    frequency = 1 / (np.arange(1, 6) * np.log(6))
    assert weights[5:] == pytest.approx(3e-4 / (3e-4 + frequency))
    assert (np.diff(weights[5:]) > 0).all()
    static = distil(load_encoder(str(bert_folder)), "checksum")
    assert not static[0].embedding.weight[:5].any()
    assert static[0].embedding.weight[5:].any(dim=1).all()
