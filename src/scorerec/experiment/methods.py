"""The methods of an experiment: what they are called in tables, and which stage writes their scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scorerec.core.artifacts import Artifact


class Method(NamedTuple):
    """One row of the results.

    Attributes:
        name: as tables show it.
        stage: the stage whose artifact holds its scores.
        needs: the stages that this method would have to run alone, for its seconds.
    """

    name: str
    stage: str
    needs: tuple[str, ...]


ITEM_MEAN, ITEM_USER_MEAN = "item-mean", "item+user-mean"
CRM = "SASRec"
LLM = "LLM without CI"
SCORE = "SCORE"

_EVIDENCE = ("crm", "neighbours", "car", "candidates", "assessments", "rankings", "sare", "contexts")
METHODS = (
    Method(ITEM_MEAN, "references", ("references",)),
    Method(ITEM_USER_MEAN, "references", ("references",)),
    Method(CRM, "crm-scores", ("crm", "crm-scores")),
    Method(LLM, "scores-llm", ("backbone", "prompts-llm", "tuned-llm", "scores-llm")),
    Method(SCORE, "scores-score", (*_EVIDENCE, "backbone", "prompts-score", "tuned-score", "scores-score")),
)


def method_seconds(artifacts: Mapping[str, Artifact], methods: Iterable[Method] = METHODS) -> dict[str, float]:
    """Return the seconds of training and scoring of each method, shared stages counted for each."""
    return {
        method.name: sum(float(artifacts[stage].manifest["seconds"]) for stage in method.needs) for method in methods
    }
