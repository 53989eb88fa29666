"""The LLM baselines there are; a new one is one line here."""

from __future__ import annotations

from scorerec.baselines.base import Baseline
from scorerec.baselines.binllm import BinLLM
from scorerec.baselines.collm import CoLLM
from scorerec.baselines.coral import CoRAL
from scorerec.baselines.dislikes import Dislikes
from scorerec.baselines.encoder import Encoder, EncoderWithCI
from scorerec.baselines.icl import ICL
from scorerec.baselines.llara import LLaRA

# In the order of Table 2; one that builds on the stages of another stands after it.
BASELINES: dict[str, type[Baseline]] = {
    baseline.key: baseline
    for baseline in (
        ICL,
        CoRAL,
        Dislikes,
        LLaRA,
        CoLLM,
        BinLLM,
        Encoder,
        EncoderWithCI,
    )
}
