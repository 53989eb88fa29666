"""MPNet as CAR and an XLM-RoBERTa classifier as SARE, given by folder and read to the target's end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import MPNetModel, XLMRobertaForSequenceClassification

from scorerec.core.tables import NEIGHBOURS, RANKINGS
from scorerec.nn.encoders import count_tokens, count_truncated, encode, load_encoder
from scorerec.pipeline.chain import reranker_texts
from scorerec.pipeline.finding import encoder_texts
from scorerec.pipeline.prompting import Prompter
from scorerec.rerank.config import SAREConfig
from scorerec.rerank.models import CrossEncoderReranker, load_reranker
from scorerec.rerank.prompts import texts_of
from scorerec.rerank.sare import train_sare
from scorerec.retrieve.car import train_car
from scorerec.retrieve.config import CARConfig

Tables = tuple[pa.Table, pa.Table]


def _car(folder: Path, **changes: object) -> CARConfig:
    settings = {"model": str(folder), "max_length": 64, "epochs": 4, "batch_size": 4, "learning_rate": 1e-3}
    return CARConfig.model_validate({**settings, "recall_at": 5, **changes})


def _sare(folder: Path, **changes: object) -> SAREConfig:
    settings = {"model": str(folder), "max_length": 512, "epochs": 2, "batch_size": 4, "learning_rate": 1e-3}
    return SAREConfig.model_validate({**settings, **changes})


@pytest.fixture(scope="module")
def neighbours(behaviours: pa.Table) -> pa.Table:
    """Five neighbours each, all of the user's own kind."""
    names = behaviours["behaviour_id"].to_pylist()
    rows = [
        {"behaviour_id": names[n], "rank": rank, "neighbour_id": names[(n + 2 * rank) % 12], "similarity": 1.0}
        for n in range(12)
        for rank in range(1, 6)
    ]
    return pa.Table.from_pylist(rows, NEIGHBOURS.columns)


@pytest.fixture(scope="module")
def rankings(tables: Tables) -> pa.Table:
    """Ten users for each target: those whose films have the target's parity come first."""
    rows = []
    for target_id, item in zip(*(tables[0][name].to_pylist()[:16] for name in ("target_id", "item_id")), strict=True):
        order = sorted(range(10), key=lambda n, item=item: ((n + int(item)) % 2, n))
        rows += [
            {"target_id": target_id, "rank": rank, "behaviour_id": f"b{n}", "relevance": 1 - rank / 10}
            for rank, n in enumerate(order, start=1)
        ]
    return pa.Table.from_pylist(rows, RANKINGS.columns)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_car_starts_from_mpnet_without_pooling(
    mpnet: Path, prompter: Prompter, behaviours: pa.Table, neighbours: pa.Table, tmp_path: Path, precision: str
) -> None:
    config = _car(mpnet, precision=precision)
    encoder = load_encoder(config.model, config.max_length)
    assert isinstance(encoder[0].auto_model, MPNetModel)
    assert encoder[1].pooling_mode == "mean"
    texts = encoder_texts(prompter, encoder, behaviours, "behaviour_id")
    facts = train_car(texts, neighbours, config, tmp_path, seed=0)
    assert facts["losses"][-1] < facts["losses"][0]
    assert facts["n_truncated"] == 0
    tuned = load_encoder(str(tmp_path))
    assert tuned.max_seq_length == 64
    before, after = (encode(model, list(texts.values())) for model in (encoder, tuned))
    assert np.abs(before - after).max() > 1e-2
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("max_length", [64, 128, None])
def test_car_reads_every_behaviour_to_its_end(
    mpnet: Path, prompter: Prompter, behaviours: pa.Table, max_length: int | None
) -> None:
    encoder = load_encoder(str(mpnet), max_length)
    assert encoder.max_seq_length == (max_length or 512)
    texts = encoder_texts(prompter, encoder, behaviours, "behaviour_id")
    assert count_truncated(encoder, list(texts.values())) == 0
    for item_ids, text in zip(behaviours["item_ids"].to_pylist(), texts.values(), strict=True):
        assert f"Film of the Year {item_ids[-1]} " in text  # the newest title is whole
        assert (f"Year {item_ids[0]} " in text) == (max_length is None or count_tokens(encoder, text) > 200)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_sare_starts_from_a_classifier_with_one_output(
    xlm_roberta: Path,
    prompter: Prompter,
    tables: Tables,
    behaviours: pa.Table,
    rankings: pa.Table,
    tmp_path: Path,
    precision: str,
) -> None:
    config = _sare(xlm_roberta, precision=precision)
    untuned = load_reranker(config.model, config)
    assert isinstance(untuned, CrossEncoderReranker)
    assert isinstance(untuned.model[0].auto_model, XLMRobertaForSequenceClassification)
    texts = reranker_texts(prompter, untuned, behaviours)
    facts = train_sare(prompter.basic(*tables), texts, rankings, load_reranker(config.model, config), tmp_path, seed=0)
    assert facts["n_examples"] > 0
    assert np.isfinite(facts["losses"]).all()
    reading = prompter.basic(*tables).slice(0, 4)
    prompts = list(texts_of(untuned.reader.read(reading)).values())
    pairs = prompts * 2, list(texts.values())[:8]
    before, after = (model.score(*pairs) for model in (untuned, load_reranker(tmp_path, config)))
    assert np.abs(before - after).max() > 1e-4
    assert ((after > 0) & (after < 1)).all()


@pytest.mark.parametrize("max_length", [400, 450, 512])
def test_sare_reads_prompt_and_behaviour_whole_within_its_length(
    xlm_roberta: Path, prompter: Prompter, tables: Tables, behaviours: pa.Table, max_length: int
) -> None:
    reranker = load_reranker(xlm_roberta, _sare(xlm_roberta, max_length=max_length))
    assert isinstance(reranker, CrossEncoderReranker)
    prompts = prompter.basic(*tables)
    segments = reranker.reader.read(prompts)
    assert sum(map(len, segments.values())) < sum(map(len, prompts["segments"].to_pylist()))  # titles had to go
    behaviour = max(reranker_texts(prompter, reranker, behaviours).values(), key=len)
    tokenizer = reranker.model.tokenizer
    assert reranker.model.max_seq_length == max_length
    for target_id, prompt in texts_of(segments).items():
        target = next(segment.text for segment in segments[target_id] if segment.kind == "target")
        assert target in prompt
        whole = tokenizer(prompt, behaviour, truncation=False, verbose=False)["input_ids"]
        read = reranker.model.preprocess([(prompt, behaviour)])["input_ids"][0]
        assert len(whole) <= max_length
        assert torch.equal(read, torch.tensor(whole))


def test_a_saved_retriever_is_a_model_of_its_library(mpnet: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(mpnet), 64)
    encoder.save(str(tmp_path), create_model_card=False)
    assert SentenceTransformer(str(tmp_path), device="cpu").max_seq_length == 64
