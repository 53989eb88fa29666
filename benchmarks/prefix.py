"""How much faster are tuning and scoring where what prompts share is read once, at equal results?

python benchmarks/prefix.py --path FOLDER                          # MovieLens-1M, prompts of TALLRec, SmolLM2's shape
python benchmarks/prefix.py --path FOLDER --model embedded:smollm2 --json
python benchmarks/prefix.py quickstart --titles preset --method score --count    # how many tokens, and no seconds

Against the loop that most would write: padded batches in the order of the file, and logits over the vocabulary
behind every token; and against this project's own batches without sharing. All are measured in one run, on the same
rows: whole users, drawn at random, of whom the slower loops read a part. The weights decide no time: random ones do.
Histories are as long as the paper's, twenty titles in a window that moves in steps of ten; --titles preset reads those
of the preset, which are short, cheap already, and share less.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from scorerec.core.columns import QUERY_ID, USER_ID
from scorerec.core.randomness import generator
from scorerec.core.tables import PROMPTS
from scorerec.experiment.config import load_experiment
from scorerec.experiment.plan import stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Runner
from scorerec.llm.backbone import Backbone, load_backbone
from scorerec.llm.config import LLMConfig, LoRAConfig
from scorerec.llm.encode import TokenIds
from scorerec.llm.fit import Trainer
from scorerec.llm.pretrained import smollm2_shape
from scorerec.llm.rows import Draw, LabelledPrompts, labelled_prompts
from scorerec.llm.trees import bundles, pack_rows
from scorerec.llm.tune import ready
from scorerec.llm.vocabulary import train_tokenizer
from scorerec.nn.batching import pad
from scorerec.nn.devices import choose_device, use_threads
from scorerec.nn.effort import shape_of
from scorerec.text.segments import render

SHAPE = "smollm2-shape"
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
TWENTY_TITLES = ("prompt.history_step=10", "llm.history_titles=20", "llm.history_step=10")
WAYS = {"naive": "naive loop", "batches": "rows of similar length together", "trees": "shared words once"}


def main() -> None:
    """Print tables, and with --json an object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", default="ml-1m", help="preset or file")
    parser.add_argument("--path", help="folder of the data")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    parser.add_argument("--titles", choices=("paper", "preset"), default="paper", help="how long histories are")
    parser.add_argument("--method", default="llm", help="whose prompts; the stages that write them run first")
    parser.add_argument("--out", type=Path, help="root of runs, to use what is there; default: a temporary one")
    parser.add_argument("--model", default=SHAPE, help=f"{SHAPE}: random weights; or an id or folder")
    parser.add_argument("--rows", type=int, default=600, help="rows that are read as trees")
    parser.add_argument("--naive-rows", type=int, default=64, help="of them, rows that the slower loops read")
    parser.add_argument(
        "--batch",
        type=int,
        default=16,
        help="rows together in the slower loops; the naive loop takes 13 GiB for 16 of 300 tokens",
    )
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--count", action="store_true", help="say how many tokens are read, and stop")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    use_threads(given.threads)
    data = [f"data.path={given.path}"] if given.path else []
    config = load_experiment(given.source, [*data, *(TWENTY_TITLES if given.titles == "paper" else ()), *given.changes])
    with tempfile.TemporaryDirectory(prefix="scorerec-benchmark-") as folder:
        stage = f"prompts-{given.method}"
        run = Runner(stages_of(config), config, given.out or Path(folder)).made("corpus", stage)
        rows = labelled_prompts(run.artifact(stage).table(PROMPTS), run.targets("train"), "train", Draw(None), 0)
        places = of_whole_users(run, given.rows)
    measurement, console = Measurement(given, config.llm, rows, places), Console(width=130)
    result = measurement.saved(console) if given.count else measurement.told(console)
    if given.json:
        print(json.dumps(result))


def of_whole_users(run: Run, n_rows: int) -> np.ndarray:
    """Return the training rows of users drawn at random, so many or a few more, in the order of the file."""
    queries, targets = run.queries, run.targets("train")
    owner = dict(zip(queries[QUERY_ID].to_pylist(), queries[USER_ID].to_pylist(), strict=True))
    users = np.array([owner[query] for query in targets[QUERY_ID].to_pylist()])
    names, counts = np.unique(users, return_counts=True)
    order = generator(0, "benchmark", "users").permutation(len(names))
    n_users = int(np.searchsorted(np.cumsum(counts[order]), n_rows)) + 1
    return np.flatnonzero(np.isin(users, names[order[:n_users]]))


class Measurement:
    """Rows, and a model that reads them in three ways."""

    def __init__(self, given: argparse.Namespace, config: LLMConfig, rows: LabelledPrompts, places: np.ndarray):
        self.given, self.device = given, choose_device(given.device)
        lora = config.lora if config.tune == "lora" else LoRAConfig(rank=16, dropout=0)
        self.config = config.model_copy(update={"tune": "lora", "lora": lora, "loss": "two-logit", "teacher": 0.0})
        self.tokenizer, self.model = loaded(given.model, rows)
        self.rows = LabelledPrompts([rows.prompts[place] for place in places], rows.labels[places])
        scorer = self.trainer(torch.float32, share=True).scorer
        if scorer.why_whole is not None:
            raise SystemExit(f"{given.model}: nothing to measure, for {scorer.why_whole}")
        self.encoder = scorer.encoder
        self.all_tokens = self.encoder.encode(rows.prompts).tokens
        self.tokens = [self.all_tokens[place] for place in places]
        drawn = generator(0, "benchmark", "rows").permutation(-(-len(places) // given.batch))
        starts = given.batch * np.sort(drawn[: -(-given.naive_rows // given.batch)])
        self.batches = [np.arange(start, min(start + given.batch, len(places))) for start in starts.tolist()]

    def trainer(self, dtype: torch.dtype, *, share: bool) -> Trainer:
        """Return the trainer of a fresh adapter on a copy of the model."""
        sizes = {} if share else dict.fromkeys(("batch_size", "score_batch_size"), self.given.batch)
        config = self.config.model_copy(update={"share_prefixes": share, **sizes})
        model = copy.deepcopy(self.model).to(self.device, dtype)
        backbone = ready(Backbone(self.given.model, self.given.model, model, self.tokenizer, self.device), config)
        return Trainer(backbone, config, self.rows, LabelledPrompts(self.rows.prompts[:2], np.arange(2)), seed=0)

    def told(self, console: Console) -> dict[str, float]:
        """Measure, print, and return the numbers."""
        result = self.saved(console)
        per_token = 2 * shape_of(self.model.config, is_causal=True).weights_per_token
        rates = {name: matrix_rate(self.device, dtype) for name, dtype in DTYPES.items()}
        table = Table("", "rows", "seconds", "rows/s", "tokens/s", "TFLOP/s", "of the matrix rate")
        some = [self.tokens[row] for batch in self.batches for row in batch]
        nodes = {"score": n_scored(self.tokens, self.config), "train": n_tuned(self.tokens, self.config)}
        n_part, n_whole = (sum(map(len, rows)) for rows in (some, self.tokens))
        scale = len(self.tokens) / n_whole  # the slower loops read a part, which may be longer or shorter than the rest
        found = {}
        for what, passes in (("score", 1), ("train", 2)):  # backward, frozen weights are multiplied once more
            for way, label in WAYS.items():
                seconds = timed(self.act(what, way), self.device)
                n_rows, n_tokens = (len(self.tokens), nodes[what]) if way == "trees" else (len(some), n_part)
                speed = n_rows / seconds if way == "trees" else n_tokens / seconds * scale
                rate = passes * per_token * n_tokens / seconds
                share = rate / rates[self.given.precision]
                found[what, way] = speed
                result[f"{what}_rows_per_second_{way}"] = round(speed, 3)
                result[f"{what}_share_of_matrix_rate_{way}"] = round(share, 3)
                cells = (f"{n_rows:,}", f"{seconds:.1f}", f"{speed:.2f}", f"{n_tokens / seconds:,.0f}")
                table.add_row(f"{what}: {label}", *cells, f"{rate / 1e12:.3f}", f"{share:.0%}")
            result[f"{what}_speedup"] = round(found[what, "trees"] / found[what, "naive"], 2)
            result[f"{what}_speedup_over_batches"] = round(found[what, "trees"] / found[what, "batches"], 2)
        result["max_score_difference"] = self.difference(some)
        reached = ", ".join(f"{rate / 1e12:.3f} TFLOP/s in {name}" for name, rate in rates.items())
        console.print(
            f"{self.given.model} in {self.given.precision} on {self.device}, {torch.get_num_threads()} threads"
        )
        console.print(f"a large matrix product reaches {reached}; padding is not counted as work")
        console.print(table)
        for name in ("score_speedup", "train_speedup", "max_score_difference"):
            console.print(f"{name.replace('_', ' ')}: {result[name]:.3g}")
        return result

    def saved(self, console: Console) -> dict[str, float]:
        """Print and return what all training rows would have to read."""
        found: dict[str, float] = {"rows": len(self.all_tokens)}
        found["tokens_per_row"] = round(sum(map(len, self.all_tokens)) / len(self.all_tokens), 1)
        found["tokens_per_row_train"] = round(n_tuned(self.all_tokens, self.config) / len(self.all_tokens), 1)
        found["tokens_per_row_score"] = round(n_scored(self.all_tokens, self.config) / len(self.all_tokens), 1)
        in_packs = f"{found['tokens_per_row_train']} in tuning, {found['tokens_per_row_score']} in scoring"
        shown = f"{found['rows']:,} training rows of {found['tokens_per_row']} tokens; shared words once: {in_packs}"
        titles = "twenty titles" if self.given.titles == "paper" else "titles as the preset has them"
        console.print(f"{self.given.source}, prompts of {self.given.method}, {titles}: {shown}")
        return found

    def act(self, what: str, way: str) -> Callable[[], object]:
        """Return what is timed."""
        trainer = self.trainer(DTYPES[self.given.precision], share=way == "trees")
        if way == "naive":
            return (
                (lambda: naive_scores(trainer, self.tokens, self.batches))
                if what == "score"
                else (lambda: naive_steps(trainer, self.tokens, self.rows.labels, self.batches))
            )
        rows = trainer.scorer.encoder.encode(self.rows.prompts)
        if way == "batches":
            places = np.concatenate(self.batches)
            rows = rows._replace(tokens=[rows.tokens[place] for place in places])
            trainer.train = LabelledPrompts([], self.rows.labels[places])
        if what == "score":
            return lambda: trainer.scorer.p_yes(rows.tokens)
        steps = trainer.scorer.reading.steps(rows.tokens, np.random.default_rng(0))
        return lambda: [trainer._step(rows, step) for step in steps]

    def difference(self, some: Sequence[TokenIds]) -> float:
        """Return the largest difference between scores of trees and of the naive loop, in fp32."""
        trainer = self.trainer(torch.float32, share=True)
        naive = naive_scores(trainer, self.tokens, self.batches)
        return float(np.abs(trainer.scorer.p_yes(some) - naive).max())


def loaded(name: str, rows: LabelledPrompts) -> tuple[Any, Any]:
    """Return tokenizer and model; of random weights, the words of the rows make up the tokenizer."""
    if name != SHAPE:
        backbone = load_backbone(name, "fp32", "cpu")
        return backbone.tokenizer, backbone.model
    torch.manual_seed(0)
    return train_tokenizer([*map(render, rows.prompts[::50]), "Yes No"] * 2, 8000, "words"), LlamaForCausalLM(
        smollm2_shape()
    )


def n_tuned(tokens: Sequence[TokenIds], config: LLMConfig) -> int:
    """Return how many tokens an epoch reads in packs, which hold a step's rows at most."""
    packs = pack_rows(tokens, min(config.pack_branches, config.batch_size), config.pack_tokens)
    return sum(len(pack.tokens) for pack in packs)


def n_scored(tokens: Sequence[TokenIds], config: LLMConfig) -> int:
    """Return how many tokens scoring reads in packs, those of a bundle's trunk once."""
    packs = pack_rows(tokens, config.pack_branches, config.pack_tokens)
    apart = sum(bundle.trunk * (len(bundle.packs) - 1) for bundle in bundles(packs))
    return sum(len(pack.tokens) for pack in packs) - apart


def naive_logits(trainer: Trainer, tokens: Sequence[TokenIds], batch: np.ndarray) -> torch.Tensor:
    """Return the logits of No and Yes behind a padded batch, from those of the whole vocabulary behind every token."""
    padded = pad([tokens[row] for row in batch], side="left")
    ids, mask = (torch.from_numpy(array).to(trainer.backbone.device) for array in padded)
    places = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
    logits = trainer.backbone.model(
        input_ids=ids, attention_mask=mask.long(), position_ids=places, use_cache=False
    ).logits
    answers = trainer.scorer.encoder.answers
    return logits[:, -1].float()[:, [answers.no, answers.yes]]


@torch.inference_mode()
def naive_scores(trainer: Trainer, tokens: Sequence[TokenIds], batches: Sequence[np.ndarray]) -> np.ndarray:
    """Score batch by batch, in the order of the file."""
    trainer.backbone.model.eval()
    return np.concatenate(
        [torch.softmax(naive_logits(trainer, tokens, batch).double(), 1)[:, 1].cpu().numpy() for batch in batches]
    )


def naive_steps(
    trainer: Trainer, tokens: Sequence[TokenIds], labels: np.ndarray, batches: Sequence[np.ndarray]
) -> None:
    """Learn batch by batch, in the order of the file."""
    trainer.backbone.model.train()
    for batch in batches:
        wanted = torch.from_numpy(labels[batch]).to(trainer.backbone.device)
        loss = cross_entropy(naive_logits(trainer, tokens, batch), wanted)
        loss.backward()
        trainer.optimiser.step(loss.item())


def timed(act: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that something takes: those of one thread of a processor, which others may use too, or else
    what a clock on the wall shows."""
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    act()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return operations per second of a large matrix product, the best of ten."""
    size = 8192 if device.type == "cuda" else 2048
    one = torch.ones(size, size, dtype=dtype, device=device)
    return 2 * size**3 / min(timed(lambda: one @ one, device) for _ in range(10))


if __name__ == "__main__":
    main()
