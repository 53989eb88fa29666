import shutil

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from scorerec.core.errors import ArtifactError, ConfigError, ModelError
from scorerec.nn.encoders import encode, load_encoder
from scorerec.rerank.config import SAREConfig
from scorerec.rerank.models import load_reranker

PROMPTS = ["user enjoy doom", "user enjoy emma", "user enjoy doom"]
BEHAVIOURS = ["quake hexen", "quake hexen", "persuasion"]


def config(reading, folder, **changes):
    return SAREConfig(reading=reading, model=str(folder), max_length=32, **changes)


def test_a_bi_encoder_gives_cosines_and_encodes_each_text_once(static_folder, monkeypatch):
    reranker = load_reranker(static_folder, config("bi-encoder", static_folder))
    encoder = load_encoder(str(static_folder))
    expected = (encode(encoder, PROMPTS) * encode(encoder, BEHAVIOURS)).sum(axis=1)
    seen = []
    original = reranker.encoder.encode
    monkeypatch.setattr(reranker.encoder, "encode", lambda texts, **how: seen.extend(texts) or original(texts, **how))
    scores = reranker.score(PROMPTS, BEHAVIOURS)
    assert scores.dtype == np.float32
    assert scores == pytest.approx(expected, abs=1e-6)
    assert sorted(seen) == sorted({*PROMPTS, *BEHAVIOURS})


def test_a_cross_encoder_gives_probabilities(bert_folder):
    reranker = load_reranker(bert_folder, config("cross-encoder", bert_folder))
    scores = reranker.score(PROMPTS, BEHAVIOURS)
    assert scores.shape == (3,)
    assert ((scores > 0) & (scores < 1)).all()
    # The new scoring head is the same each time.
    again = load_reranker(bert_folder, config("cross-encoder", bert_folder))
    assert np.array_equal(scores, again.score(PROMPTS, BEHAVIOURS))
    assert reranker.score([], []).shape == (0,)


def test_a_cross_encoders_prompt_gets_at_most_half(bert_folder):
    reranker = load_reranker(bert_folder, config("cross-encoder", bert_folder))
    assert reranker.reader.budget.tokens == (32 - 3) // 2
    assert reranker.reader.count_tokens("doom quake") == 2
    # So a behaviour that is too long is cut, and never the question at the prompt's end.
    model = reranker.model
    assert isinstance(model, CrossEncoder)
    prompt, behaviour = "user " * 13 + "emma", "doom " * 60
    kept = model.preprocess([(prompt, behaviour)])["input_ids"][0]
    assert len(kept) == 32
    assert model.tokenizer.convert_ids_to_tokens(kept)[1:15] == prompt.split()


@pytest.mark.parametrize("reading", ["bi-encoder", "cross-encoder"])
def test_saved_and_loaded_it_scores_the_same(reading, bert_folder, tmp_path):
    reranker = load_reranker(bert_folder, config(reading, bert_folder))
    reranker.save(tmp_path / "model")
    again = load_reranker(tmp_path / "model", config(reading, bert_folder))
    assert np.array_equal(reranker.score(PROMPTS, BEHAVIOURS), again.score(PROMPTS, BEHAVIOURS))


def test_one_reading_is_not_loaded_as_the_other(bert_folder, tmp_path):
    load_reranker(bert_folder, config("bi-encoder", bert_folder)).save(tmp_path)
    with pytest.raises(ArtifactError, match=r"wanted a cross-encoder, it holds a bi-encoder"):
        load_reranker(tmp_path, config("cross-encoder", bert_folder))


def test_a_static_encoder_cannot_read_pairs():
    with pytest.raises(ConfigError, match=r"sare\.reading"):
        load_reranker("embedded:static", config("cross-encoder", "embedded:static"))


def test_a_model_that_is_not_there():
    with pytest.raises(ModelError, match="cannot be loaded as a cross-encoder"):
        load_reranker("no/such/folder/anywhere", config("cross-encoder", "x"))


@pytest.mark.parametrize("reading", ["cross-encoder", "bi-encoder"])
def test_damaged_weights_are_an_error(reading, bert_folder, tmp_path):
    shutil.copytree(bert_folder, tmp_path / "damaged")
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match="damaged': cannot be loaded as a"):
        load_reranker(str(tmp_path / "damaged"), config(reading, bert_folder))


def test_it_computes_where_it_is_told_to(static_folder):
    with pytest.raises(ConfigError, match="got 'abacus'"):
        load_reranker(static_folder, config("bi-encoder", static_folder), "abacus")
