"""The encoder as scorer: it learns what the words say, reads within its length, and comes back as it was saved."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedTokenizerFast,
)

from scorerec.baselines.config import EncoderScorerConfig
from scorerec.baselines.encoder_scorer import (
    EncoderConfigs,
    EncoderScorer,
    load_encoder_scorer,
    score_with_encoder,
    train_encoder_scorer,
)
from scorerec.core.errors import ConfigError, ModelError
from scorerec.core.tables import PROMPTS, SEGMENT
from scorerec.text.budget import Budget
from scorerec.text.segments import Segment

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "liked", "asked", "good", "bad", "[", "]", ",", "'"]
BUDGET = Budget(history_titles=3)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT with a vocabulary of a few words, saved as a Hugging Face folder."""
    backend = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    return folder


def prompts(n_rows: int = 60) -> tuple[pa.Table, pa.Table]:
    """Rows that are liked where the target is good."""
    labels = [row % 2 for row in range(n_rows)]
    rows = [
        [
            Segment("wording", "liked ["),
            *(Segment("history", "good", str(title)) for title in range(row % 5)),
            Segment("wording", "] asked "),
            Segment("target", "good" if label else "bad", "t"),
        ]
        for row, label in enumerate(labels)
    ]
    names = [f"r{row}" for row in range(n_rows)]
    nothing = pa.array([0] * n_rows, pa.int32())
    segments = pa.array([[part._asdict() for part in row] for row in rows], pa.list_(SEGMENT))
    table = pa.table([names, segments, nothing, nothing], names=PROMPTS.columns.names).cast(PROMPTS.columns)
    split = ["train" if row < 40 else "valid" for row in range(n_rows)]
    return table, pa.table({"target_id": names, "label": pa.array(labels, pa.int8()), "split": split})


def config(bert: Path, **changes: object) -> EncoderScorerConfig:
    given = {"model": str(bert), "epochs": 8, "batch_size": 8, "learning_rate": 1e-2, **changes}
    return EncoderScorerConfig.model_validate(given)


def test_it_learns_what_the_words_say_and_comes_back_as_it_was(bert: Path, tmp_path: Path) -> None:
    table, labels = prompts()
    settings = config(bert)
    state = torch.get_rng_state()
    facts = train_encoder_scorer(table, labels, EncoderConfigs(settings, BUDGET), tmp_path / "a", seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert max(facts["validation_aucs"]) > 0.95
    scores = score_with_encoder(load_encoder_scorer(tmp_path / "a", settings, BUDGET), table)
    p_yes = scores["p_yes"].to_numpy()
    assert p_yes[1::2].min() > p_yes[::2].max()
    train_encoder_scorer(table, labels, EncoderConfigs(settings, BUDGET), tmp_path / "b", seed=0)
    again = score_with_encoder(load_encoder_scorer(tmp_path / "b", settings, BUDGET), table)
    assert again.equals(scores)


def test_the_budget_is_kept_with_the_target_whole(bert: Path) -> None:
    rows = EncoderScorer(bert, config(bert, max_tokens=16), BUDGET).rows([[
        Segment("wording", "liked ["),
        *(Segment("history", "bad", str(title)) for title in range(9)),
        Segment("wording", "] asked "),
        Segment("target", "good", "t"),
    ]])  # fmt: skip
    (row,) = rows
    words = [WORDS[token] for token in row]
    assert len(words) <= 16
    assert words.count("bad") == 3
    assert words[-2:] == ["good", "[SEP]"]


def test_frozen_layers_stay_as_they_were(bert: Path, tmp_path: Path) -> None:
    table, labels = prompts()
    settings = config(bert, frozen_layers=1, epochs=1)
    train_encoder_scorer(table, labels, EncoderConfigs(settings, BUDGET), tmp_path, seed=0)
    before, after = EncoderScorer(bert, settings, BUDGET), load_encoder_scorer(tmp_path, settings, BUDGET)
    pairs = zip(before.encoder.named_parameters(), after.encoder.parameters(), strict=True)
    changed = {name for (name, one), other in pairs if not torch.equal(one, other)}
    assert changed
    assert not [name for name in changed if name.startswith(("embeddings", "encoder.layer.0"))]
    with pytest.raises(ModelError, match="has 2 layers"):
        EncoderScorer(bert, config(bert, frozen_layers=3), BUDGET).trainable()


def test_layers_are_found_in_models_that_are_built_otherwise(bert: Path, tmp_path: Path) -> None:
    shape = {"vocab_size": len(WORDS), "dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2}
    DistilBertModel(DistilBertConfig(**shape)).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path)
    model = EncoderScorer(tmp_path, config(tmp_path, frozen_layers=1), BUDGET)
    model.trainable()
    fixed = {name for name, weight in model.encoder.named_parameters() if not weight.requires_grad}
    assert {name.split(".")[0] for name in fixed} == {"embeddings", "transformer"}
    assert not [name for name in fixed if "layer.1" in name]


def test_more_tokens_than_the_encoder_reads_are_refused(bert: Path) -> None:
    with pytest.raises(ModelError, match=r"max_tokens is 600, and .* reads at most 512"):
        EncoderScorer(bert, config(bert, max_tokens=600), BUDGET)


def test_scores_are_the_same_whatever_the_batch(bert: Path) -> None:
    model = EncoderScorer(bert, config(bert), BUDGET)
    rows = [np.array([2, *[6] * length, 3]) for length in (1, 4, 2)]
    together = model.p_yes(rows)
    np.testing.assert_allclose(together, [model.p_yes([row])[0] for row in rows], rtol=1e-5)


def test_it_computes_where_it_is_told_to(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got 'abacus'"):
        train_encoder_scorer(*prompts(), EncoderConfigs(config(bert), BUDGET), tmp_path, seed=0, device="abacus")


def test_no_encoder_there(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded as an encoder"):
        EncoderScorer(tmp_path, EncoderScorerConfig(), BUDGET)
    shutil.copytree(bert, tmp_path / "damaged")
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match="damaged': cannot be loaded as an encoder"):
        EncoderScorer(tmp_path / "damaged", EncoderScorerConfig(), BUDGET)
