"""A tuned LM as a plain folder of Hugging Face: its adapter merged into its base, for servers that know no adapters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from peft import PeftModel

from scorerec.core.errors import ArtifactError, ModelError
from scorerec.core.storage import share_tree, told_clearly
from scorerec.llm.backbone import load_backbone
from scorerec.llm.config import LLMConfig
from scorerec.llm.quiet import quiet_transformers
from scorerec.llm.score import Scorer

_PROBES = ("Did the user like it? Answer:", "The user has given high ratings to the following movies: ['A', 'B'].")
_TOLERANCE = 1e-3  # of p(Yes); in fp32 the two differ by rounding alone


def export_merged(model: Path, config: LLMConfig, out: Path) -> float:
    """Write a tuned LM, its adapter merged in fp32, as a plain folder; return how far scores of it lie off, at most.

    Args:
        model: folder that ``tune`` wrote.
        config: how it was tuned.
        out: a folder that does not exist.

    Raises:
        ArtifactError: the folder exists, or cannot be written.
        ModelError: what was written scores otherwise.
    """
    if out.exists():
        raise ArtifactError(f"{out}: exists already; give a folder that does not, or delete it")
    backbone = load_backbone(model, "fp32", "cpu")  # merging in fewer bits changes answers
    encoder = Scorer(backbone, config).encoder
    rows = [np.array(encoder.tokenizer(text)["input_ids"], np.int32) for text in _PROBES]
    before = Scorer(backbone, config.model_copy(update={"share_prefixes": False})).p_yes(rows)
    merged = backbone.model.merge_and_unload() if isinstance(backbone.model, PeftModel) else backbone.model
    with told_clearly(out.parent), quiet_transformers(), torch.no_grad():
        merged.save_pretrained(str(out))
        backbone.tokenizer.save_pretrained(str(out))
        share_tree(out, out / "config.json")
    again = Scorer(load_backbone(out, "fp32", "cpu"), config.model_copy(update={"share_prefixes": False}))
    apart = float(np.abs(again.p_yes(rows) - before).max())
    if apart > _TOLERANCE:
        raise ModelError(f"{out}: scores of the merged model lie {apart:.4f} from the tuned one's; do not serve it")
    return apart
