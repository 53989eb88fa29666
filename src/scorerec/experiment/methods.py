"""The methods of an experiment: what they are called, which stage writes their scores, and what they may know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from scorerec.baselines.registry import BASELINES
from scorerec.core.errors import ConfigError
from scorerec.crm.registry import BOOSTED_TREES, EASE, TITLE_REGRESSION, USER_KNN

Kind = Literal["reference", "conventional", "llm", "ablation", "control", "bound"]


class Method(NamedTuple):
    """One row of the results.

    Attributes:
        key: what configuration calls it.
        name: as tables show it; there, "CRM" is the name of the model.
        stage: the stage whose artifact holds its scores.
        kind: ablations change one part of SCORE; controls say what evidence is worth; a bound knows the label.
    """

    key: str
    name: str
    stage: str
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


def _scored(key: str, name: str, kind: Kind) -> Method:
    """Return a method whose scores have a stage of their own."""
    return Method(key, name, f"scores-{key}", kind)


ALL_METHODS = {
    method.key: method
    for method in (
        Method("item-mean", ITEM_MEAN, "references", "reference"),
        Method("item+user-mean", ITEM_USER_MEAN, "references", "reference"),
        *(Method(key, name, "simple", "reference") for key, name in _SIMPLE.items()),
        Method("crm", "CRM", "crm-scores", "conventional"),
        Method("crm+item", "CRM + item mean", "crm-item-scores", "conventional"),
        _scored("endpoint", "endpoint LLM without CI", "llm"),
        _scored("llm", LLM, "llm"),
        *(_scored(key, baseline.label, "llm") for key, baseline in BASELINES.items()),
        _scored("base", "SCORE-base", "ablation"),
        _scored("cf", "SCORE-cf", "ablation"),
        _scored("rerank", "SCORE-rerank", "ablation"),
        _scored("random", "random users", "control"),
        _scored("shuffled", "shuffled evidence", "control"),
        _scored("empty", "evidence without content", "control"),
        _scored("oracle", "oracle (knows the label)", "bound"),
        _scored("score-at", "SCORE, other numbers of users", "ablation"),
        _scored("endpoint-score", "endpoint LLM with CI", "llm"),
        _scored("score", SCORE, "llm"),
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
