"""The methods of an experiment: what they are called, which stage writes their scores, and what they may know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from scorerec.core.artifacts import Artifact
from scorerec.core.errors import ConfigError
from scorerec.crm.simple import BOOSTED_TREES, EASE, TITLE_REGRESSION, USER_KNN

Kind = Literal["reference", "conventional", "llm", "ablation", "control", "bound"]


class Method(NamedTuple):
    """One row of the results.

    Attributes:
        key: what configuration calls it.
        name: as tables show it; the CRM is called by its own name there.
        stage: the stage whose artifact holds its scores.
        needs: the stages that this method would have to run alone, for its seconds.
        kind: ablations change one part of SCORE; controls say what evidence is worth; a bound knows the label.
    """

    key: str
    name: str
    stage: str
    needs: tuple[str, ...]
    kind: Kind


ITEM_MEAN, ITEM_USER_MEAN = "item-mean", "item+user-mean"
LLM = "LLM without CI"
SCORE = "SCORE"

_SIMPLE = {
    "user-knn": USER_KNN,
    "ease": EASE,
    "boosted-trees": BOOSTED_TREES,
    "title-regression": TITLE_REGRESSION,
}
_CAR = ("crm", "neighbours", "car", "candidates")
_SARE = ("assessments", "rankings", "sare", "contexts")


def _prompted(key: str, name: str, kind: Kind, evidence: tuple[str, ...] = ()) -> Method:
    """Return a method that tunes the LM on prompts of its own."""
    stages = (f"prompts-{key}", f"tuned-{key}", f"scores-{key}")
    return Method(key, name, stages[-1], (*evidence, "backbone", *stages), kind)


def _variant(key: str, name: str, kind: Kind, evidence: tuple[str, ...]) -> Method:
    return _prompted(key, name, kind, (*evidence, f"contexts-{key}"))


ALL_METHODS = {
    method.key: method
    for method in (
        Method("item-mean", ITEM_MEAN, "references", ("references",), "reference"),
        Method("item+user-mean", ITEM_USER_MEAN, "references", ("references",), "reference"),
        *(Method(key, name, "simple", ("simple",), "reference") for key, name in _SIMPLE.items()),
        Method("crm", "CRM", "crm-scores", ("crm", "crm-scores"), "conventional"),
        Method("icl", "ICL (untuned)", "scores-icl", ("backbone", "prompts-llm", "scores-icl"), "llm"),
        Method("endpoint", "endpoint LLM without CI", "scores-endpoint", ("prompts-llm", "scores-endpoint"), "llm"),
        Method(
            "encoder",
            "MiniLM encoder without CI",
            "scores-encoder",
            ("prompts-llm", "tuned-encoder", "scores-encoder"),
            "llm",
        ),
        _prompted("llm", LLM, "llm"),
        _prompted("dislikes", "LLM with own dislikes", "llm"),
        _prompted("llara", "LLaRA", "llm", ("crm",)),
        _prompted("collm", "CoLLM", "llm", ("crm", "prompts-llm", "tuned-llm")),
        _prompted("binllm", "BinLLM", "llm", ("prompts-llm", "tuned-llm")),
        Method(
            "coral",
            "CoRAL",
            "scores-coral",
            ("crm", "neighbours", "backbone", "prompts-llm", "tuned-llm", "policy-coral", "scores-coral"),
            "llm",
        ),
        _variant("base", "SCORE-base", "ablation", ("candidates-base",)),
        _variant("cf", "SCORE-cf", "ablation", ("crm", "candidates-cf")),
        _variant("rerank", "SCORE-rerank", "ablation", _CAR),
        _variant("random", "random users", "control", ()),
        _variant("shuffled", "shuffled evidence", "control", (*_CAR, *_SARE)),
        _prompted("empty", "evidence without content", "control", (*_CAR, *_SARE, "prompts-score")),
        _variant("oracle", "oracle (knows the label)", "bound", _CAR),
        Method(
            "encoder-score",
            "MiniLM encoder with CI",
            "scores-encoder-score",
            (*_CAR, *_SARE, "prompts-score", "tuned-encoder-score", "scores-encoder-score"),
            "llm",
        ),
        Method(
            "score-at",
            "SCORE, other numbers of users",
            "scores-score-at",
            (*_CAR, *_SARE, "backbone", "prompts-score", "tuned-score", "prompts-score-at", "scores-score-at"),
            "ablation",
        ),
        Method(
            "endpoint-score",
            "endpoint LLM with CI",
            "scores-endpoint-score",
            (*_CAR, *_SARE, "prompts-score", "scores-endpoint-score"),
            "llm",
        ),
        _prompted("score", SCORE, "llm", (*_CAR, *_SARE)),
    )
}
DEFAULT_METHODS = ("item-mean", "item+user-mean", "crm", "llm", "score")


def choose_methods(keys: Iterable[str]) -> tuple[Method, ...]:
    """Return methods by their keys, in the order of tables.

    Raises:
        ConfigError: a key is not known, or one that no table may lack is missing.
    """
    wanted = set(keys)
    if unknown := wanted - set(ALL_METHODS):
        raise ConfigError(f"methods: no {', '.join(sorted(unknown))}; there are {', '.join(ALL_METHODS)}")
    if missing := {"item-mean", "item+user-mean", "score"} - wanted:
        raise ConfigError(
            f"methods: {', '.join(sorted(missing))} must be there too: no table stands without the two references "
            "and what they are compared with"
        )
    return tuple(method for method in ALL_METHODS.values() if method.key in wanted)


def method_seconds(artifacts: Mapping[str, Artifact], methods: Iterable[Method]) -> dict[str, float]:
    """Return the seconds of training and scoring of each method, shared stages counted for each."""
    return {
        method.name: sum(float(artifacts[stage].manifest["seconds"]) for stage in method.needs) for method in methods
    }
