import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from scorerec.nn.encoders import encode, token_limit
from scorerec.nn.static_encoder import SMOOTHING, WORD_TABLE, sif_weights, static_encoder

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[unused1]", ",", "[", "doom", "emma"]


@pytest.fixture
def folder(tmp_path):
    words = {word: place for place, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    table = np.random.default_rng(0).normal(size=(len(VOCABULARY), 4)).astype(np.float32)
    save_file({WORD_TABLE: table, "another": table}, tmp_path / "model.safetensors")
    return tmp_path


def test_weights_by_hand():
    weights = sif_weights(10, 5)
    frequency = 1 / (np.arange(1, 6) * np.log(6))
    assert weights == pytest.approx([0] * 5 + list(SMOOTHING / (SMOOTHING + frequency)))
    assert (np.diff(weights[5:]) > 0).all()


def test_it_starts_from_centred_word_embeddings(folder):
    vectors = static_encoder(folder)[0].embedding.weight.detach().numpy()
    assert not vectors[:4].any()
    table = vectors[4:] / sif_weights(8, 4)[4:, None]
    assert table.sum(axis=0) == pytest.approx(np.zeros(4), abs=1e-5)
    assert np.linalg.norm(vectors[4]) < np.linalg.norm(vectors[7])


def test_texts_of_any_length_are_read_to_their_end(folder):
    encoder = static_encoder(folder)
    assert token_limit(encoder) is None
    long, longer = encode(encoder, ["doom , doom doom", "doom , doom doom emma"])
    assert not np.allclose(long, longer)


def test_it_is_the_same_every_time(folder):
    assert np.array_equal(encode(static_encoder(folder), ["doom"]), encode(static_encoder(folder), ["doom"]))
