"""What is kept of the signal, and the means over seeds that the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorerec.core.errors import ArtifactError
from scorerec.evaluate.results import (
    Interval,
    NeighbourShare,
    Ranking,
    Signal,
    SourceDifference,
    StateSpread,
    UserCount,
)
from scorerec.reproduce.signals import KeptSignal, read_signals, signal_text


def kept(key: str, seed: int, value: float, n_users: tuple[int, ...] = (2, 10)) -> KeptSignal:
    """Return a signal in which nearly every number is ``value``."""
    label = key.upper()
    counts = [
        UserCount(
            source=f"{label}, Eq. 4",
            split="valid",
            n_users=count,
            n_rows=9,
            named=value,
            auc=value,
            uauc=value,
            added_auc=value + 0.1,
            added_uauc=value,
            mean_auc=value,
            gain=Interval(low=value - 0.2, high=value, n_resamples=300) if count == 10 else None,
        )
        for count in n_users
    ]
    alike = NeighbourShare(
        source=f"{label}, Eq. 4",
        jaccard=value,
        random_jaccard=0.1,
        low=0,
        high=1,
        found_share=value,
        largest_in_degree=int(10 * value),
        n_anchors=5,
    )
    signal = Signal(
        recommender=label,
        spread=StateSpread(mean_cosine=value, effective_rank=10 * value, interaction_share=value),
        rankings=[Ranking(predictor=label, split="valid", n_rows=7, measures={"recall@10": value, "ndcg@20": value})],
        alike=[alike, alike.model_copy(update={"source": "random users", "jaccard": 0.0})],
        counts=counts,
        warnings=[],
    )
    return KeptSignal(key=key, seed=seed, fingerprint="f", signal=signal)


def test_what_is_kept_is_read_in_order(tmp_path: Path) -> None:
    assert read_signals([tmp_path]) == {}
    (tmp_path / "signal").mkdir()
    for one in (kept("mf", 1, 0.4), kept("sasrec", 0, 0.5), kept("mf", 0, 0.2)):
        (tmp_path / "signal" / f"{one.key}-{one.seed}.json").write_text(one.model_dump_json(), encoding="utf-8")
    found = read_signals([tmp_path])
    assert {key: [one.seed for one in signals] for key, signals in found.items()} == {"mf": [0, 1], "sasrec": [0]}
    assert found["mf"][1] == kept("mf", 1, 0.4)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "signal").mkdir()
    (tmp_path / "signal" / "mf-0.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"mf-0\.json: no record of a signal; delete it"):
        read_signals([tmp_path])


def line_of(text: str, start: str) -> list[str]:
    (found,) = (line for line in text.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in found.strip("| ").split("|")]


def test_the_page_shows_means_over_seeds() -> None:
    text = signal_text({"mf": [kept("mf", 0, 0.2), kept("mf", 1, 0.4)], "din": [kept("din", 0, 0.5, (2,))]})
    recommenders, likes, counts = text.split("\n### ")[1:]
    assert line_of(recommenders, "MF") == ["MF", "30.0%", "0.300", "3.0", "0.3000", "3.0", "30%", "3", "2"]
    assert line_of(recommenders, "DIN")[-1] == "1"
    assert line_of(likes, "MF") == ["MF", "0.3000", "0.3000"]
    assert line_of(counts, "MF, Eq. 4") == [
        "MF, Eq. 4",
        "30.0%",
        "0.300",
        "0.4000",
        "30.0%",
        "0.300",
        "0.4000, gain +0.1000 [+0.1000, +0.3000]",
        "–",
    ]
    assert line_of(counts, "DIN, Eq. 4") == ["DIN, Eq. 4", "50.0%", "0.500", "0.6000", "–", "–", "–", "–"]


def test_a_recommender_that_two_rows_share_counts_once() -> None:
    """What SCORE's run says of its CRM is what the CRM's own row says."""
    whole = kept("sasrec", 0, 0.2).model_copy(update={"key": "score"})
    text = signal_text({"sasrec": [kept("sasrec", 0, 0.2), kept("sasrec", 1, 0.4)], "score": [whole]})
    assert line_of(text.split("\n### ")[1], "SASREC")[1:3] == ["30.0%", "0.300"]
    assert line_of(text.split("\n### ")[1], "SASREC")[-1] == "2"


def test_steps_and_closeness_are_means_too() -> None:
    def with_step(seed: int, value: float, interval: Interval | None) -> KeptSignal:
        one = kept("mf", seed, value)
        step = SourceDifference(
            source="CAR", against="untuned retriever", split="valid", n_users=10, value=value, interval=interval
        )
        counts = [entry.model_copy(update={"closeness": value}) for entry in one.signal.counts]
        return one.model_copy(
            update={"signal": one.signal.model_copy(update={"differences": [step], "counts": counts})}
        )

    bounds = Interval(low=-0.1, high=0.3, n_resamples=300)
    text = signal_text({"mf": [with_step(0, 0.2, bounds), with_step(1, 0.4, None)]})
    assert line_of(text, "CAR") == ["CAR", "untuned retriever", "valid", "10", "+0.3000 [-0.1000, +0.3000]"]
    assert line_of(text, "MF, Eq. 4")[-1] == "0.300"
    assert "Does a step find more" not in signal_text({"mf": [kept("mf", 0, 0.2)]})


def test_without_signals_there_is_no_section() -> None:
    assert signal_text({}) == ""
