"""Scores do not depend on how they are computed, and are never anything but numbers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from scorerec.core.artifacts import read_table, write_table
from scorerec.core.errors import ArtifactError, ConfigError, ModelError
from scorerec.core.tables import PROMPTS, SCORES
from scorerec.llm import score as score_module
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import PromptGroup, Scorer, score, tuned_config
from scorerec.llm.tune import tune
from scorerec.nn import batching
from scorerec.text.segments import Segment, render

CONFIG = LLMConfig(history_titles=None)
World = tuple[pa.Table, pa.Table]


def p_yes(table: pa.Table) -> np.ndarray:
    return table["p_yes"].to_numpy()


def test_eq_14_by_hand(tiny_lm: Path, write: Callable[..., list[Segment]], table_of: Callable[..., pa.Table]) -> None:
    prompt = write(["1", "2"], "3", ("4",))
    tokenizer, model = (kind.from_pretrained(tiny_lm) for kind in (AutoTokenizer, AutoModelForCausalLM))
    with torch.no_grad():
        logits = model(**tokenizer(render(prompt), return_tensors="pt")).logits[0, -1].double()
    yes, no = (logits[tokenizer.convert_tokens_to_ids(word)].exp().item() for word in ("Yes", "No"))
    result = score(tiny_lm, table_of([prompt]), CONFIG)
    assert p_yes(result)[0] == pytest.approx(yes / (yes + no), abs=1e-7)
    assert result["n_tokens"].to_pylist() == [len(tokenizer(render(prompt))["input_ids"])]
    assert result.schema.types == [pa.string(), pa.float64(), pa.int32()]


def sharp(folder: Path, out: Path) -> Path:
    """Save the tiny LM with three times larger weights, so that its scores differ from row to row."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    return out


def test_padding_and_batch_size_change_no_score(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    model = sharp(tiny_lm, tmp_path)
    alone = p_yes(score(model, world[0], CONFIG.model_copy(update={"score_batch_size": 1})))
    assert np.ptp(alone) > 0.01
    for batch_size in (2, 7, 120):
        batched = p_yes(score(model, world[0], CONFIG.model_copy(update={"score_batch_size": batch_size})))
        assert np.abs(batched - alone).max() < 1e-5


def test_it_computes_where_it_is_told_to(tiny_lm: Path, world: World) -> None:
    with pytest.raises(ConfigError, match="got 'abacus'"):
        score(tiny_lm, world[0], CONFIG, "abacus")


def test_the_side_of_padding_changes_no_score(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    scorer = Scorer(load_backbone(sharp(tiny_lm, tmp_path), device="cpu"), CONFIG)
    rows = scorer.encoder.encode(read_prompts(world[0])).tokens
    padded = batching.pad(rows, side="right")
    with torch.no_grad():
        logits = scorer.backbone.model(
            input_ids=torch.from_numpy(padded.tokens), attention_mask=torch.from_numpy(padded.mask).long()
        ).logits
    last = logits[range(len(rows)), padded.mask.sum(axis=1) - 1]
    answers = scorer.encoder.answers
    right = torch.softmax(last[:, [answers.yes, answers.no]].double(), dim=1)[:, 0].numpy()
    assert np.abs(scorer.p_yes(rows) - right).max() < 1e-5


def test_learned_positions_are_counted_from_the_first_real_token(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_lm)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=256, n_embd=16, n_layer=1, n_head=2)
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        model.transformer.wpe.weight.mul_(50)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    alone = p_yes(score(tmp_path, world[0], CONFIG.model_copy(update={"score_batch_size": 1})))
    together = p_yes(score(tmp_path, world[0], CONFIG))
    assert np.ptp(alone) > 1e-3
    assert np.abs(together - alone).max() < 1e-5


def test_a_prompt_longer_than_the_model_reads_is_refused_before_any_is_read(
    tiny_lm: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_module, "_SLICE", 40)
    loaded = load_backbone(tiny_lm, device="cpu")
    lengths = Scorer(loaded, CONFIG).score(world[0])["n_tokens"].to_numpy()
    longest, ordered = int(lengths.max()), world[0].take(np.argsort(lengths))
    loaded.model.config.max_position_embeddings = longest
    assert Scorer(loaded, CONFIG).score(ordered).num_rows == 120
    loaded.model.config.max_position_embeddings = longest - 1
    scorer = Scorer(loaded, CONFIG)
    monkeypatch.setattr(scorer, "p_yes", lambda rows: pytest.fail("a prompt was read"))
    asked = (
        rf"max_tokens is 512, the longest prompt has {longest} tokens.* {longest - 1} positions; set llm.max_tokens="
    )
    with pytest.raises(ModelError, match=asked):
        scorer.score(ordered)
    with pytest.raises(ModelError, match=asked):
        scorer.score_groups([PromptGroup((), [prompt]) for prompt in read_prompts(ordered)])
    fitted = CONFIG.model_copy(update={"max_tokens": longest - 1})
    assert Scorer(loaded, fitted).score(ordered)["n_tokens"].to_numpy().max() < longest


def test_groups_score_as_their_whole_prompts(tiny_lm: Path, write: Callable[..., list[Segment]]) -> None:
    prompts = [write(["1", "2"], target) for target in ("3", "4", "5")]
    scorer = Scorer.load(tiny_lm, CONFIG)
    shared = PromptGroup(prompts[0][:-2], [prompt[-2:] for prompt in prompts])
    grouped, single, none = scorer.score_groups([shared, PromptGroup(prompts[1], [[]]), PromptGroup((), [])])
    (whole,) = scorer.score_groups([PromptGroup((), prompts)])
    np.testing.assert_allclose(grouped.p_yes, whole.p_yes, atol=1e-7)
    np.testing.assert_allclose(single.p_yes, whole.p_yes[1:2], atol=1e-7)
    assert len(none.p_yes) == 0
    assert scorer.score_groups([]) == []


@pytest.mark.parametrize("share", [False, True], ids=["whole", "trees"])
def test_a_token_across_the_border_of_what_a_group_shares_is_read_as_in_the_whole(
    tiny_lm: Path, tmp_path: Path, write: Callable[..., list[Segment]], share: bool
) -> None:
    prompts = [write(["1", "2"], target) for target in ("3", "4", "5")]
    scorer = Scorer.load(sharp(tiny_lm, tmp_path), CONFIG.model_copy(update={"share_prefixes": share}))
    read = [[scorer.encoder.tokenizer.tokenize(render(part)) for part in (prompts[0][:n], prompts[0])] for n in (1, 3)]
    assert [part[-1] != whole[len(part) - 1] for part, whole in read] == [True, True]  # "[" is read with the quote
    (whole,) = scorer.score_groups([PromptGroup((), prompts)])
    assert np.ptp(whole.p_yes) > 1e-3
    for n in (1, 3):
        (grouped,) = scorer.score_groups([PromptGroup(prompts[0][:n], [prompt[n:] for prompt in prompts])])
        np.testing.assert_allclose(grouped.p_yes, whole.p_yes, atol=1e-7)


def test_an_empty_table_gives_an_empty_table(tiny_lm: Path, world: World) -> None:
    assert score(tiny_lm, world[0].slice(0, 0), CONFIG).num_rows == 0


def test_a_score_that_is_not_a_number_is_an_error(tiny_lm: Path, world: World) -> None:
    loaded = load_backbone(tiny_lm, device="cpu")
    with torch.no_grad():
        next(loaded.model.parameters()).fill_(float("nan"))
    with pytest.raises(ModelError, match="120 of 120 scores are not numbers"):
        Scorer(replace(loaded, name="broken"), CONFIG).score(world[0])


def test_prompts_in_scores_out_without_polars(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    write_table(tmp_path, PROMPTS, world[0])
    pa.parquet.write_table(world[1], tmp_path / "labels.parquet")
    script = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "polars":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from pathlib import Path
import pyarrow.parquet as pq
from scorerec.core.artifacts import read_table
from scorerec.core.tables import PROMPTS
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.tune import tune
from scorerec.llm import score
home, lm = Path(sys.argv[1]), sys.argv[2]
labels = pq.ParquetFile(home / "labels.parquet").read()
model = load_backbone(lm, device="cpu")
tune(model, read_table(home, PROMPTS), labels, LLMConfig(threads=1, epochs=1), home / "tuned", 0)
sys.argv = ["score", "--model", f"{home}/tuned", "--prompts", str(home), "--out", str(home), "--method", "tiny"]
sys.argv += ["--device", "cpu"]
score.main()
"""
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path), str(tiny_lm)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = read_table(tmp_path, SCORES)
    assert scores.num_rows == 120
    assert set(scores["method"].to_pylist()) == {"tiny"}


def test_settings_travel_with_the_model(tiny_lm: Path, world: World, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"tune": "none", "history_titles": 3})
    tune(load_backbone(tiny_lm, device="cpu"), *world, config, tmp_path / "icl", seed=0)
    assert tuned_config(tmp_path / "icl") == config
    with pytest.raises(ArtifactError, match="no usable"):
        tuned_config(tmp_path)


def test_exact_answers_need_trees_where_weights_are_rounded(tiny_lm: Path) -> None:
    whole = LLMConfig(share_prefixes=False, precision="bf16", chat_template=False)
    with pytest.raises(ConfigError, match=r"scoring.exact_answers: wanted prompts that are read as trees"):
        Scorer.load(tiny_lm, whole, "cpu", is_exact=True)
    Scorer.load(tiny_lm, whole.model_copy(update={"precision": "fp32"}), "cpu", is_exact=True)  # exact anyway
    Scorer.load(tiny_lm, whole.model_copy(update={"share_prefixes": True}), "cpu", is_exact=True)
