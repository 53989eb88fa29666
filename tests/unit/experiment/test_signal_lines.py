"""The signal in the lines that stand above the results of a run."""

from __future__ import annotations

import pytest

from scorerec.core.errors import ConfigError
from scorerec.evaluate.results import Signal, StateSpread, UserCount
from scorerec.experiment.actions import signal_lines
from scorerec.experiment.config import load_experiment
from scorerec.experiment.methods import METHODS
from scorerec.experiment.plan import needs
from scorerec.experiment.stages.signal import measured_splits


def test_a_line_for_the_recommender_and_one_for_each_source() -> None:
    count = UserCount(
        source="CAR",
        split="test",
        n_users=10,
        n_rows=9,
        named=0.25,
        auc=0.61,
        uauc=0.5,
        added_auc=0.7,
        added_uauc=0.5,
        mean_auc=0.69,
        gain=None,
    )
    signal = Signal(
        recommender="MF",
        spread=StateSpread(mean_cosine=0.1234, effective_rank=7.89, interaction_share=0.4567),
        rankings=[],
        alike=[],
        counts=[count, count.model_copy(update={"split": "valid"})],
        warnings=[],
    )
    assert signal_lines(signal, "test") == [
        "MF: 45.7% of its scores' variance is user x item; two users' states have a mean cosine of 0.123, effective "
        "rank 7.9",
        "CAR: of 10 users one liked the target in 25% of test rows; AUC of their number 0.610; item mean 0.690, with "
        "the number 0.700",
    ]


@pytest.mark.parametrize("split", ["valid", "test"])
def test_test_rows_are_looked_at_where_results_are_written(split: str) -> None:
    config = load_experiment("ml-1m-toy", [f"evaluation.split={split}"])
    assert ("test" in measured_splits(config)) is (split == "test")
    assert {"train", "valid"} < {*measured_splits(config), "test"}


def test_what_cannot_go_together_is_said() -> None:
    own = "evidence.user_vectors=mine.parquet"
    with pytest.raises(ConfigError, match=r"set finding\.crm_share=0"):
        load_experiment("ml-1m-toy", [own, "car.n_prefixes=0", "finding.crm_share=0.5"])
    with pytest.raises(ConfigError, match=r"crm\.model: wanted one of .*, got 'oracle'"):
        load_experiment("ml-1m-toy", ['evidence.beside=["oracle"]'])
    for wrong in ("evidence.item_sets=1.5", "finding.crm_share=-1", "sare.teacher=nobody", "crm.selection=loss"):
        with pytest.raises(ConfigError):
            load_experiment("ml-1m-toy", [wrong])


def test_the_mean_beside_the_crm_is_called_after_the_model() -> None:
    config = load_experiment(
        "ml-1m", ['methods=["item-mean", "item+user-mean", "crm", "crm+item", "score"]', "crm.model=mf"]
    )
    names = {method.key: method.label for method in config.chosen_methods}
    assert (names["crm"], names["crm+item"]) == ("MF", "MF + item mean")
    assert {"references", "crm-scores"} <= set(needs(METHODS["crm+item"].stage))
