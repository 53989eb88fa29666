"""Eq. 14: the probability of Yes, from the next-token logits of Yes and No."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from scorerec.core.artifacts import read_table, write_table
from scorerec.core.columns import METHOD, N_TOKENS, P_YES, SEGMENTS, TARGET_ID
from scorerec.core.config import validate
from scorerec.core.errors import ArtifactError, ConfigError, ModelError
from scorerec.core.tables import PROMPTS, SCORES, SEGMENT
from scorerec.llm.backbone import TUNING, Backbone, load_backbone
from scorerec.llm.calibrate import Calibration
from scorerec.llm.config import LLMConfig
from scorerec.llm.encode import PromptEncoder, TokenIds, read_prompts
from scorerec.llm.reading import Reading, Trees, WholeRows, why_whole
from scorerec.nn.devices import use_threads
from scorerec.text.segments import Segment, to_rows

CALIBRATION = "calibration"  # in what tuning notes beside a model
_SLICE = 16_384  # prompts that are held as segments, and read, at once


class PromptGroup(NamedTuple):
    """Prompts that begin alike: one user's history and evidence, and several targets.

    Attributes:
        prefix: the segments that all prompts of the group begin with.
        suffixes: how each of them goes on.
    """

    prefix: Sequence[Segment]
    suffixes: Sequence[Sequence[Segment]]


class Scores(NamedTuple):
    """Attributes: ``p_yes``: probability of Yes, (N,) float64; ``n_tokens``: tokens read, (N,) int32."""

    p_yes: npt.NDArray[np.float64]
    n_tokens: npt.NDArray[np.int32]


class Scorer:
    """Scores prompts with one model.

    Args:
        backbone: the model.
        config: budget, sizes of batches, and whether what prompts share is computed once.
        calibration: what is done to the log odds of Yes.
        is_exact: whether the logits of the answers are computed in fp32; see ``ScoringConfig``.

    Raises:
        ConfigError: they are to be, and prompts are read whole, in less than fp32.

    Attributes:
        why_whole: why each prompt is computed whole; None where they are read as trees.
        reading: how rows of token ids go through the model.
    """

    def __init__(
        self,
        backbone: Backbone,
        config: LLMConfig,
        calibration: Calibration = Calibration(),  # noqa: B008 - it cannot be changed
        is_exact: bool = False,
    ):
        self.backbone, self._calibration, self._is_exact = backbone, calibration, is_exact
        self.encoder = PromptEncoder(backbone.tokenizer, config.budget, config.chat_template, backbone.positions)
        self.why_whole = why_whole(backbone) if config.share_prefixes else "they were not asked for"
        if is_exact and self.why_whole and backbone.model.dtype != torch.float32:
            raise ConfigError(
                f"scoring.exact_answers: wanted prompts that are read as trees, or a model in fp32, and "
                f"{self.why_whole}; set llm.share_prefixes=true, llm.precision=fp32, or scoring.exact_answers=false"
            )
        self.reading: Reading[Any, Any] = (WholeRows if self.why_whole else Trees)(backbone, config)

    @classmethod
    def load(cls, model: str | Path, config: LLMConfig, device: str = "auto", is_exact: bool = False) -> Scorer:
        """Load what ``tune`` saved, or any other causal LM, onto a device; see ``load_backbone``.

        Args:
            model: a folder, or an id of the hub.
            config: how prompts are read; its threads, where it names them, hold for the whole process.
            device: where it computes: auto, cpu, cuda, cuda:1, ...
            is_exact: whether the logits of the answers are computed in fp32.
        """
        if config.threads is not None:
            use_threads(config.threads)
        found = noted_calibration(Path(model), config)
        return cls(load_backbone(model, config.precision, device), config, found, is_exact)

    def as_text(self, prompts: pa.Table) -> list[tuple[str, int]]:
        """Return each of PROMPTS as the LM reads it, special tokens and template included, and its length in tokens."""
        tokens = self.encoder.encode(read_prompts(prompts)).tokens
        return [(self.encoder.tokenizer.decode(one, skip_special_tokens=False), len(one)) for one in tokens]

    def as_read(self, prompts: pa.Table) -> pa.Table:
        """Return PROMPTS with what the budget leaves of each."""
        left = [to_rows(segments) for segments in self.encoder.as_read(read_prompts(prompts))]
        place = prompts.schema.get_field_index(SEGMENTS)
        return prompts.set_column(place, SEGMENTS, pa.array(left, pa.list_(SEGMENT)))

    def score(self, prompts: pa.Table) -> pa.Table:
        """Score PROMPTS; returns target_id, p_yes (float64) and n_tokens (int32), in the same order.

        Raises:
            ModelError: a prompt is longer than the model reads, or a score is not a number.
        """
        slices = (prompts.slice(start, _SLICE) for start in range(0, prompts.num_rows, _SLICE))
        encoded = [self.encoder.encode(read_prompts(part)) for part in slices]  # all, before anything is computed
        p_yes = np.concatenate([np.zeros(0), *(self.p_yes(part.tokens) for part in encoded)])
        n_tokens = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in encoded)])
        columns = [prompts[TARGET_ID], pa.array(p_yes, pa.float64()), pa.array(n_tokens, pa.int32())]
        return pa.table(columns, names=[TARGET_ID, P_YES, N_TOKENS])

    def score_groups(self, groups: Sequence[PromptGroup]) -> list[Scores]:
        """Score each prompt of each group.

        What prompts begin with alike, of one group or of several, is computed once where they are read as trees.

        Raises:
            ModelError: a prompt is longer than the model reads, or a score is not a number.
        """
        whole = [[*group.prefix, *suffix] for group in groups for suffix in group.suffixes]
        encoded = self.encoder.encode(whole)
        p_yes, n_tokens = self.p_yes(encoded.tokens), encoded.lengths.astype(np.int32)
        ends = np.cumsum([0, *(len(group.suffixes) for group in groups)])
        return [Scores(p_yes[start:end], n_tokens[start:end]) for start, end in pairwise(ends)]

    @torch.inference_mode()
    def p_yes(self, rows: Sequence[TokenIds], again: bool = False) -> npt.NDArray[np.float64]:
        """Return the probability of Yes for each row of token ids, (N,) float64.

        Args:
            rows: N rows.
            again: whether the same rows will be asked for again, of the same model.

        Raises:
            ModelError: a probability is not a number.
        """
        self.backbone.model.eval()
        pair = self.encoder.answers.yes, self.encoder.answers.no
        on_device = torch.zeros(len(rows), dtype=torch.float64, device=self.backbone.device)
        for batch, logits in self.reading.answers(rows, pair, again, self._is_exact):  # (B, 2)
            yes, no = logits.double().unbind(dim=1)
            on_device[batch] = yes - no
        self.backbone.processes.sum([on_device])
        log_odds: npt.NDArray[np.float64] = on_device.cpu().numpy()
        if not np.isfinite(log_odds).all():
            raise ModelError(
                f"{self.backbone.name}: {np.count_nonzero(~np.isfinite(log_odds))} of {len(log_odds)} scores are not "
                "numbers; the weights are damaged, or the precision is too small for this model (try bf16 or fp32)"
            )
        return self._calibration(log_odds)


def score(
    model: str | Path, prompts: pa.Table, config: LLMConfig, device: str = "auto", is_exact: bool = False
) -> pa.Table:
    """Score PROMPTS with a model; see ``Scorer``.

    Args:
        model: an adapter, a folder with a model, or a Hugging Face id.
        prompts: PROMPTS.
        config: the same as in tuning.
        device: where it computes: auto, cpu, cuda, cuda:1, ...
        is_exact: whether the logits of the answers are computed in fp32.

    Returns:
        target_id, p_yes (float64) and n_tokens (int32), in the order of ``prompts``.
    """
    return Scorer.load(model, config, device, is_exact).score(PROMPTS.check(prompts))


def noted_calibration(folder: Path, config: LLMConfig) -> Calibration:
    """Return what calibrates a tuned model; what leaves it as it is where nothing does."""
    is_calibrated = config.calibrate is not None and (folder / TUNING).is_file()
    return Calibration(**_noted(folder).get(CALIBRATION, {})) if is_calibrated else Calibration()


def tuned_config(folder: Path) -> LLMConfig:
    """Return the settings that ``tune`` noted beside a model.

    Raises:
        ArtifactError: there are none.
    """
    return validate(LLMConfig, _noted(folder)["config"], str(folder / TUNING))


def tuned_backbone(folder: Path) -> str:
    """Return the backbone that ``tune`` noted beside a model.

    Raises:
        ArtifactError: there is none.
    """
    return str(_noted(folder)["backbone"])


def _noted(folder: Path) -> dict[str, Any]:
    try:
        noted: dict[str, Any] = json.loads((folder / TUNING).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder}: no usable {TUNING} ({error}); give a folder that tuning wrote") from None
    if not {"backbone", "config"} <= noted.keys():
        raise ArtifactError(f"{folder / TUNING}: wanted backbone and config, came {sorted(noted)}; tune again")
    return noted


def main() -> None:
    """Score on a machine that has this room alone: prompts in, scores out."""
    parser = argparse.ArgumentParser(prog="python -m scorerec.llm.score", description=main.__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder that tuning wrote")
    parser.add_argument("--prompts", type=Path, required=True, help="folder that holds the table prompts/")
    parser.add_argument("--out", type=Path, required=True, help="folder that gets the table scores/")
    parser.add_argument("--method", default="llm", help="name of the method in the scores")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    given = parser.parse_args()
    scorer = Scorer.load(given.model, tuned_config(given.model), given.device)
    scores = scorer.score(read_table(given.prompts, PROMPTS))
    method = pa.array([given.method] * scores.num_rows, pa.string())
    if scorer.backbone.processes.is_first:
        write_table(given.out, SCORES, scores.append_column(METHOD, method))


if __name__ == "__main__":
    main()
