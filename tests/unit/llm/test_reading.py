"""Trees give the scores and gradients of whole rows, however they are packed, and a model that cannot says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from scorerec.core.errors import ModelError
from scorerec.llm import reading
from scorerec.llm.backbone import Backbone
from scorerec.llm.config import LLMConfig, LoRAConfig
from scorerec.llm.lora import attach_lora
from scorerec.llm.lower import LowerLayers, decoder_of, n_frozen
from scorerec.llm.quiet import quiet_transformers
from scorerec.llm.reading import Trees, WholeRows, why_whole
from scorerec.nn.processes import Processes

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
}
CPU = torch.device("cpu")
CONFIG = LLMConfig(share_prefixes=True, batch_size=16, pack_branches=4, pack_tokens=40)


def llama(attention: str = "sdpa", **sizes: Any) -> LlamaForCausalLM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(LlamaConfig(**SIZES | sizes, attn_implementation=attention))


def backbone(model: Any, processes: Processes | None = None) -> Backbone:
    return Backbone("tiny", "tiny", model, None, CPU, processes or Processes())


def adapted(model: Any, **lora: Any) -> Any:
    """An adapter that does something."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        found = attach_lora(model, LoRAConfig(dropout=0, **lora))
        for name, weight in found.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.2)
    return found


def prompts() -> list[np.ndarray]:
    """Users with histories that grow, several targets for each, a target asked twice, and strangers."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(4):
        history = rng.integers(0, 60, 20)
        rows += [np.concatenate([history[:n], rng.integers(0, 60, 3)]) for n in (8, 8, 8, 14, 14, 20, 20, 20)]
    rows += [rows[3], rows[3][:5], rng.integers(0, 60, 70), *(rng.integers(0, 60, n) for n in (1, 2, 9))]
    return [row.astype(np.int32) for row in rows]


ROWS = prompts()
LABELS = torch.arange(len(ROWS)) % 2


def answers(way: Any, model: Any, again: bool = False) -> np.ndarray:
    found = np.full((len(ROWS), 2), np.nan)
    with torch.inference_mode():
        model.eval()
        for batch, values in way.answers(ROWS, (7, 9), again):
            assert np.isnan(found[batch]).all()  # no row twice
            found[batch] = values.double().cpu().numpy()
    return found


def gradients(way: Any, model: Any, again: bool = False) -> dict[str, torch.Tensor]:
    model.train()
    model.zero_grad()
    n_rows = 0
    for step in way.steps(ROWS, np.random.default_rng(0)):
        for batch in way.batches(step):
            rows, logits = way.logits(ROWS, batch, again)
            n_rows += len(rows)
            labels = LABELS[rows.tolist()].to(logits.device)
            torch.nn.functional.cross_entropy(logits[:, [9, 7]], labels, reduction="sum").backward()
    assert n_rows == len(ROWS)
    return {name: w.grad.detach().cpu().clone() for name, w in model.named_parameters() if w.requires_grad}


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert (found[name] - gradient).norm() <= 1e-4 * gradient.norm() > 0, name


@pytest.mark.parametrize("limits", [(1, 512), (3, 512), (16, 512), (4, 30), (100, 5000)])
@pytest.mark.parametrize("make", [llama, lambda: adapted(llama())], ids=["full", "lora"])
def test_scores_are_those_of_whole_rows(make: Callable[[], Any], limits: tuple[int, int]) -> None:
    model = make()
    config = CONFIG.model_copy(update={"pack_branches": limits[0], "pack_tokens": limits[1]})
    wanted = answers(WholeRows(backbone(model), config.model_copy(update={"score_batch_size": 1})), model)
    assert np.ptp(wanted) > 1
    np.testing.assert_allclose(answers(Trees(backbone(model), config), model), wanted, atol=2e-5)


def test_scores_are_the_same_when_packs_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model = llama()
    trees = Trees(backbone(model), CONFIG)
    alone = answers(trees, model)
    together = reading.batches_by_length
    monkeypatch.setattr(reading, "batches_by_length", lambda lengths, batch_size: together(lengths, batch_size=3))
    np.testing.assert_allclose(answers(trees, model), alone, atol=2e-5)


@pytest.mark.parametrize("last_layers", [None, 1])
@pytest.mark.parametrize("again", [False, True])
def test_gradients_are_the_same_when_packs_go_together(
    monkeypatch: pytest.MonkeyPatch, last_layers: int | None, again: bool
) -> None:
    """As on a GPU: packs are padded, and of several the lower layers' states are kept."""
    model = adapted(llama(), last_layers=last_layers)
    wanted = gradients(WholeRows(backbone(model), CONFIG), model)
    together, sizes = reading.batches_by_length, set[int]()

    def three(lengths: Any, batch_size: int) -> Any:
        found = together(lengths, batch_size=3)
        sizes.update(map(len, found))
        return found

    monkeypatch.setattr(reading, "batches_by_length", three)
    trees = Trees(backbone(model), CONFIG)
    assert_same(gradients(trees, model, again), wanted)
    assert_same(gradients(trees, model, again), wanted)
    assert max(sizes) > 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is at hand")
@pytest.mark.parametrize("last_layers", [None, 1])
def test_a_gpu_gives_the_same(last_layers: int | None) -> None:
    model = adapted(llama(), last_layers=last_layers)
    whole = WholeRows(backbone(model), CONFIG)
    wanted, scores = gradients(whole, model), answers(whole, model)
    there = replace(backbone(model.to("cuda")), device=torch.device("cuda"))
    trees = Trees(there, CONFIG)
    assert_same(gradients(trees, model, again=True), wanted)
    assert_same(gradients(trees, model, again=True), wanted)
    np.testing.assert_allclose(answers(trees, model), scores, atol=2e-5)


def test_a_trunk_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One history and forty items: what is read is the history and the items."""
    model = llama()
    history = np.arange(20, 50)
    rows = [np.append(history, [item, 3]).astype(np.int32) for item in range(40)]
    read: list[int] = []
    model.model.register_forward_pre_hook(
        lambda module, args, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    with torch.inference_mode():
        model.eval()
        found = list(Trees(backbone(model), CONFIG).answers(rows, (7, 9), again=False))
        assert sum(read) == 30 + 40 * 2
        for batch, values in found:
            for row, pair in zip(batch, values, strict=True):
                logits = model(torch.from_numpy(rows[row])[None].long()).logits[0, -1, [7, 9]]
                torch.testing.assert_close(pair, logits, atol=2e-5, rtol=0)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("make", [llama, lambda: adapted(llama()), lambda: adapted(llama(), last_layers=2)])
def test_gradients_are_those_of_whole_rows(make: Callable[[], Any], checkpointing: bool) -> None:
    model = make()
    wanted = gradients(WholeRows(backbone(model), CONFIG), model)
    if checkpointing:
        with quiet_transformers():
            model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_same(gradients(Trees(backbone(model), CONFIG), model), wanted)
    larger = CONFIG.model_copy(update={"pack_branches": 16, "pack_tokens": 512})
    assert_same(gradients(Trees(backbone(model), larger), model), wanted)
    if checkpointing:  # the cache is used in scoring alone, which checkpoints nothing
        np.testing.assert_allclose(
            answers(Trees(backbone(model), CONFIG), model),
            answers(WholeRows(backbone(model), CONFIG), model),
            atol=2e-5,
        )


def test_processes_share_whole_packs_and_their_sums_are_those_of_one() -> None:
    model = llama()
    wanted = gradients(Trees(backbone(model), CONFIG), model)
    total = {name: torch.zeros_like(gradient) for name, gradient in wanted.items()}
    seen = []
    for index in range(3):
        way = Trees(backbone(model, Processes(index, 3)), CONFIG)
        model.zero_grad()
        for step in way.steps(ROWS, np.random.default_rng(0)):
            for batch in way.batches(step):
                rows, logits = way.logits(ROWS, batch, again=False)
                seen += rows.tolist()
                torch.nn.functional.cross_entropy(logits[:, [9, 7]], LABELS[rows.tolist()], reduction="sum").backward()
        for name, weight in model.named_parameters():
            total[name] += weight.grad
    assert sorted(seen) == list(range(len(ROWS)))
    assert_same(total, wanted)


def test_an_epoch_has_the_steps_that_rows_alone_would_make() -> None:
    config = CONFIG.model_copy(update={"batch_size": 5, "gradient_accumulation": 2, "pack_branches": 16})
    steps = Trees(backbone(llama()), config).steps(ROWS, np.random.default_rng(1))
    sizes = [sum(len(pack.rows) for pack in step) for step in steps]
    assert len(steps) == len(WholeRows(backbone(llama()), config).steps(ROWS, np.random.default_rng(1)))
    assert sum(sizes) == len(ROWS)
    assert max(sizes) <= 10 + 5
    assert max(len(pack.rows) for step in steps for pack in step) <= 5
    again = Trees(backbone(llama()), config).steps(ROWS, np.random.default_rng(1))
    other = Trees(backbone(llama()), config).steps(ROWS, np.random.default_rng(2))
    order = [[pack.rows.tolist() for step in one for pack in step] for one in (steps, again, other)]
    assert order[0] == order[1] != order[2]


def test_rows_may_say_something_else_than_when_they_were_packed() -> None:
    """As those of LLaRA do, in steps that it reads without vectors."""
    model = llama()
    shorter = [row[row < 50] if (row < 50).any() else row for row in ROWS]
    way, whole = Trees(backbone(model), CONFIG), WholeRows(backbone(model), CONFIG)
    with torch.no_grad():
        for step in way.steps(ROWS, np.random.default_rng(0)):
            for batch in way.batches(step):
                rows, logits = way.logits(shorter, batch, again=False)
                torch.testing.assert_close(logits, whole.logits(shorter, rows, again=False).values, atol=2e-5, rtol=0)


def test_in_less_precision_trees_order_rows_as_well_as_whole_rows_do() -> None:
    exact = answers(WholeRows(backbone(llama()), CONFIG), llama())
    model = llama().to(torch.bfloat16)
    assert why_whole(backbone(model)) is None
    trees, whole = (answers(way(backbone(model), CONFIG), model) for way in (Trees, WholeRows))
    assert 0 < np.abs(trees - whole).max() < 2 * np.abs(whole - exact).max()
    yes = exact @ [1, -1]
    aucs = [roc_auc_score(yes > np.median(yes), found @ [1, -1]) for found in (trees, whole)]
    assert min(aucs) > 0.99
    assert abs(aucs[0] - aucs[1]) < 0.005


GPT2 = GPT2Config(vocab_size=60, n_embd=24, n_layer=2, n_head=2)
WINDOWED = MistralConfig(**SIZES, sliding_window=8)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (llama("eager"), "computed by 'eager'"),
        (MistralForCausalLM(WINDOWED), "does not look at all that stands before a token"),
    ],
)
def test_a_model_that_takes_no_trees_says_why(model: Any, reason: str) -> None:
    assert reason in (why_whole(backbone(model)) or "")


@pytest.mark.parametrize("attention", ["flex_attention", "flash_attention_2", "flash_attention_3"])
def test_attention_that_takes_no_mask_of_trees_is_named(attention: str) -> None:
    """FlexAttention has no backward on a CPU, FlashAttention no masks of four dimensions."""
    model = llama()
    model.config._attn_implementation = attention  # as loaded on a machine that has it
    assert f"computed by '{attention}'" in (why_whole(backbone(model)) or "")


@pytest.mark.parametrize(
    "model",
    [llama(), adapted(llama()), GPT2LMHeadModel(GPT2), MistralForCausalLM(MistralConfig(**SIZES, sliding_window=None))],
)
def test_a_model_that_takes_them_is_used(model: Any) -> None:
    model.train()
    assert why_whole(backbone(model)) is None
    assert model.training


def test_a_model_that_reads_trees_wrongly_is_found_out() -> None:
    """One that forgets the positions, or the mask, that it is given, as some do without a word."""
    model = llama()
    decoder = model.model
    whole = decoder.forward
    decoder.forward = lambda position_ids=None, **given: whole(**given)
    assert "other logits for trees" in (why_whole(backbone(model)) or "")
    decoder.forward = lambda attention_mask=None, **given: whole(**given)
    assert "other logits for trees" in (why_whole(backbone(model)) or "")
    decoder.forward = lambda input_ids, use_cache: whole(input_ids=input_ids)
    assert "LlamaForCausalLM takes no trees" in (why_whole(backbone(model)) or "")


def counted(model: Any) -> list[int]:
    """Count the tokens that go through the lowest layer from now on."""
    read: list[int] = []
    model.get_base_model().model.layers[0].register_forward_pre_hook(lambda module, args: read.append(args[0].shape[1]))
    return read


def test_what_comes_again_is_read_by_the_lower_layers_once() -> None:
    model = adapted(llama(), last_layers=1)
    assert n_frozen(model) == 3
    way, read = Trees(backbone(model), CONFIG), counted(model)
    read.clear()
    first = gradients(way, model, again=True), answers(way, model, again=True)
    n_read = len(read)
    second = gradients(way, model, again=True), answers(way, model, again=True)
    assert n_read > 0
    assert len(read) == n_read
    assert_same(second[0], first[0])
    np.testing.assert_array_equal(second[1], first[1])
    whole = WholeRows(backbone(model), CONFIG)
    assert_same(first[0], gradients(whole, model))
    np.testing.assert_allclose(first[1], answers(whole, model), atol=2e-5)


def test_there_is_room_for_some_and_the_rest_is_computed_again() -> None:
    model = adapted(llama(), last_layers=1)
    way = Trees(backbone(model), CONFIG.model_copy(update={"kept_gib": 100 * 24 * 4 / 2**30}))
    read = counted(model)
    wanted = answers(way, model, again=True)
    n_first = sum(read)
    np.testing.assert_allclose(answers(way, model, again=True), wanted, atol=1e-6)
    assert n_first - 100 <= sum(read) - n_first < n_first


@pytest.mark.parametrize(
    ("change", "n"),
    [
        (lambda model: None, 0),
        (lambda model: model.model.layers[2].requires_grad_(True), 2),
        (lambda model: model.model.embed_tokens.requires_grad_(True), 0),
        (lambda model: setattr(model.config, "attention_dropout", 0.1), 0),
    ],
)
def test_layers_below_the_lowest_trained_one_are_frozen(change: Callable[[Any], Any], n: int) -> None:
    model = llama(tie_word_embeddings=False).requires_grad_(False)
    model.lm_head.requires_grad_(True)
    change(model)
    assert n_frozen(model) == n


def test_a_decoder_that_is_built_in_another_way_has_no_upper_layers() -> None:
    assert n_frozen(GPT2LMHeadModel(GPT2)) == 0
    with pytest.raises(ModelError, match="GPT2LMHeadModel: wanted a decoder with `layers`"):
        attach_lora(GPT2LMHeadModel(GPT2), LoRAConfig(modules=("c_attn",), last_layers=1))
    with pytest.raises(ModelError, match="has 4 blocks, got 5"):
        attach_lora(llama(), LoRAConfig(last_layers=5))


def test_a_decoder_that_scales_what_it_embeds_is_not_cut() -> None:
    model = adapted(llama(), last_layers=1)
    decoder = decoder_of(model)
    decoder.rotary_emb.register_forward_pre_hook(lambda module, args: args[0].mul_(2))
    with pytest.raises(ModelError, match=r"set llm\.kept_gib=0"):
        LowerLayers(model, 1.0)


def test_a_model_on_a_gpu_reads_packs_together() -> None:
    way = Trees(replace(backbone(llama()), device=torch.device("meta")), CONFIG)
    packs = [pack for step in way.steps(ROWS, np.random.default_rng(0)) for pack in step]
    assert {len(batch) for batch in way._together(packs, 16)} <= {1, 2, 3, 4}
    assert max(len(batch) for batch in way._together(packs, 16)) == 4


def test_exact_answers_of_rounded_weights_are_not_rounded_again() -> None:
    """With weights and states in bf16, logits that are computed in fp32 tell rows apart that bf16 calls equal."""
    model = llama().to(torch.bfloat16).eval()
    with torch.no_grad():  # logits as large as those of real models, where bf16 has no fine steps
        model.lm_head.weight[7] *= 40
        model.lm_head.weight[9] *= 40
    trees = Trees(backbone(model), CONFIG)

    def found(is_exact: bool) -> np.ndarray:
        values = np.full((len(ROWS), 2), np.nan)
        with torch.inference_mode():
            for batch, part in trees.answers(ROWS, (7, 9), False, is_exact):
                values[batch] = part.double().numpy()
        return values

    rounded, exact = found(False), found(True)
    assert len(np.unique(exact)) > len(np.unique(rounded))
    np.testing.assert_allclose(exact, rounded, rtol=2**-7)
    in_fp32 = Trees(backbone(llama()), CONFIG)
    with torch.inference_mode():
        pairs = zip(in_fp32.answers(ROWS, (7, 9), False, True), in_fp32.answers(ROWS, (7, 9), False), strict=True)
        for (_, one), (_, other) in pairs:
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
