"""What the numbers allow to be said, in a few plain lines: what beats what, by how much, and why perhaps not.

A table leaves that to its reader, who then believes the larger of two numbers. Here nothing is said to be better or
worse unless the 95% interval of the paired difference says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from scorerec.evaluate.results import Comparison, Difference, Signal

Relation = Literal["below", "apart", "beats"]
_PHRASES: Mapping[Relation, str] = {  # the worst news first
    "below": "is below {}",
    "apart": "cannot be told apart from {}",
    "beats": "beats {}",
}
_CHANCE = 0.05


def relation(found: Difference) -> Relation:
    """Return what a difference allows to be said of its method.

    That takes an interval on one side of 0, and a p-value below 5%, which may be corrected for many rows.

    >>> from scorerec.evaluate.results import Interval
    >>> bounds = Interval(low=0.01, high=0.03, n_resamples=9)
    >>> sure = Difference(method="a", against="b", metric="auc", value=0.02, interval=bounds, p_value=0.01)
    >>> relation(sure), relation(sure.turned()), relation(sure.model_copy(update={"p_value": 0.2}))
    ('beats', 'below', 'apart')
    """
    if found.interval is None or found.p_value is None or found.p_value >= _CHANCE:
        return "apart"
    if found.interval.low > 0:
        return "beats"
    return "below" if found.interval.high < 0 else "apart"


def said(differences: Iterable[Difference], amounts: bool = True) -> str:
    """Return what may be said of one method against others, such as "is below X by 0.0420 AUC [0.0310, 0.0530]".

    Args:
        differences: of one method, against any others, in any metrics.
        amounts: whether differences and intervals are in it; otherwise names alone, for what stands under a table.
    """
    found: dict[Relation, dict[str, list[Difference]]] = {}
    for one in differences:
        found.setdefault(relation(one), {}).setdefault(one.against, []).append(one)
    return "; ".join(
        phrase.format(", ".join(_with_amounts(name, own, kind) if amounts else name for name, own in by_name.items()))
        for kind, phrase in _PHRASES.items()
        if (by_name := found.get(kind))
    )


def verdict(
    comparison: Comparison,
    references: Sequence[str],
    language_models: Sequence[str],
    signal: Signal | None = None,
    source: str = "",
) -> list[str]:
    """Return a few lines about a table: its method against the references, then against LMs, then these against those.

    Args:
        comparison: the table.
        references: its item mean, and its item + user mean, as it calls them.
        language_models: other methods of it in which a language model decides.
        signal: where the likely reason of a loss is looked up.
        source: whose users the language model is shown, as ``signal`` calls it.
    """
    ours, differences = comparison.against, comparison.differences
    of_ours = [one for one in differences if one.method == ours and one.against in references]
    if not of_ours:
        return [f"Nothing can be said of {ours}: no metric could be computed on these rows"]
    of_models = {
        name: [
            one.turned()
            for one in differences
            if one.method in language_models and one.against == name and one.metric == "auc"
        ]
        for name in (ours, *references)
    }
    clauses = {name: f"{name} {said(against)}" for name, against in of_models.items() if against}
    against_means = ". ".join(clauses[name] for name in references if name in clauses)
    reason = _reason(signal, source, comparison.split)
    first = f"{ours} {said(of_ours)}{_worth([one for one in of_ours if one.against == references[0]], reason)}"
    return [line for line in (first, clauses.get(ours, ""), against_means) if line]


def _worth(differences: Sequence[Difference], reason: str) -> str:
    """Say what follows from the differences to the item mean, and the likely reason where nothing is gained over it."""
    relations = {relation(one) for one in differences}
    if "beats" in relations:
        return ""
    return (": not yet worth using" if "below" in relations else ": nothing shows yet that it is worth using") + reason


def _with_amounts(name: str, differences: Sequence[Difference], kind: Relation) -> str:
    if kind == "apart":
        return f"{name} ({', '.join(_amount(one, '+.4f') for one in differences)})"
    return f"{name} by " + " and ".join(_amount(one if kind == "beats" else one.turned(), ".4f") for one in differences)


def _amount(found: Difference, form: str) -> str:
    interval = found.interval
    bounds = "no interval" if interval is None else f"{interval.low:{form}}, {interval.high:{form}}"
    return f"{found.value:{form}} {found.metric.upper()} [{bounds}]"


def _reason(signal: Signal | None, source: str, split: str) -> str:
    """Say what the users shown tell beyond the item mean; empty where that was not measured."""
    for one in () if signal is None else signal.counts:
        if (one.source, one.split) != (source, split) or one.gain is None or None in (one.added_auc, one.mean_auc):
            continue
        value = (one.added_auc or 0.0) - (one.mean_auc or 0.0)
        gain = f"(gain {value:+.4f} AUC [{one.gain.low:+.4f}, {one.gain.high:+.4f}])"
        if one.gain.low > 0:
            return (
                f". The users that it shows do tell something beyond the item mean {gain}: it makes too little of that"
            )
        return f". Likely reason: the users that it shows tell nothing sure beyond the item mean {gain}"
    return ""
