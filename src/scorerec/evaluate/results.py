"""What evaluation yields: small frozen records that go to JSON and come back unchanged."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field


class Result(BaseModel):
    """Base of every result: immutable, strict about its fields, JSON both ways."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Result):
    """A 95% interval from resampling users, and chance between seeds where there are several."""

    low: float
    high: float
    n_resamples: int = Field(description="resamples in which the metric could be computed")


class LeftOut(Result):
    """Users without an AUC of their own, by reason."""

    one_row: int
    one_class: int


class Measured(Result):
    """The metrics of one set of scores; a metric that cannot be computed is None and ``reasons`` says why."""

    n_rows: int
    n_positive: int
    n_users: int
    n_users_counted: int = Field(description="users with rows of both classes: those in UAUC")
    n_rows_counted: int = Field(description="rows of the users counted")
    left_out: LeftOut
    auc: float | None
    uauc: float | None
    log_loss: float | None = Field(description="nats per row")
    calibration_error: float | None = Field(description="expected calibration error, ten equal-mass bins")
    auc_interval: Interval | None = None
    uauc_interval: Interval | None = None
    reasons: dict[str, str] = Field(default_factory=dict, description="metric -> why it is None")


class MethodResult(Measured):
    """The metrics of one method."""

    method: str = Field(description="its key; see ``Comparison.labelled``")
    seconds: float | None = Field(None, description="training and scoring, where known")


class SliceResult(Measured):
    """The metrics of one method on some of the rows."""

    slice: str
    method: str


class Difference(Result):
    """Method minus ``against`` in one metric, on the same rows and the same resamples of users."""

    method: str
    against: str
    metric: str = Field(description="auc or uauc")
    value: float
    interval: Interval | None
    p_value: float | None = Field(description="two-sided, from the same resamples; not corrected for number")

    def turned(self) -> Difference:
        """Return ``against`` minus ``method``."""
        own = self.interval  # taken from 0, so that 0 does not become -0
        turned = own and Interval(low=0.0 - own.high, high=0.0 - own.low, n_resamples=own.n_resamples)
        names = {"method": self.against, "against": self.method}
        return self.model_copy(update={**names, "value": 0.0 - self.value, "interval": turned})


class Comparison(Result):
    """Several methods on the same rows: what one run of one seed yields."""

    split: str
    seed: int = Field(description="seed of the run, and of the resampling of users")
    rows_fingerprint: str = Field(description="equal where rows, users and labels are the same")
    against: str = Field(description="the method that the others are compared with")
    n_resamples: int
    methods: tuple[MethodResult, ...]
    differences: tuple[Difference, ...] = Field(
        description="of every method to ``against``, then to each of the two references"
    )
    slices: tuple[SliceResult, ...] = ()

    def method(self, name: str) -> MethodResult:
        """Return the result of one method.

        Raises:
            KeyError: it is not in this comparison.
        """
        return {result.method: result for result in self.methods}[name]

    def labelled(self, labels: Mapping[str, str]) -> Comparison:
        """Return it with the labels of methods in the place of their keys, for people.

        Args:
            labels: key -> label of each method.
        """
        return self.model_copy(
            update={
                "against": labels[self.against],
                "methods": tuple(one.model_copy(update={"method": labels[one.method]}) for one in self.methods),
                "differences": tuple(
                    one.model_copy(update={"method": labels[one.method], "against": labels[one.against]})
                    for one in self.differences
                ),
                "slices": tuple(one.model_copy(update={"method": labels[one.method]}) for one in self.slices),
            }
        )


class Moved(Result):
    """How far scores move when a part of the prompt is another row's."""

    mean_change: float = Field(description="mean absolute change of p(Yes)")
    n_rows: int = Field(description="rows whose prompts have the part, as have those of others")


class Faithful(Result):
    """Whether reasons are what they say: how far p(Yes) falls without the strongest ones, and without others."""

    n_rows: int = Field(description="rows whose prompts have enough parts")
    n_left_out: int = Field(description="parts that are left out of each")
    strongest: float = Field(description="mean fall of p(Yes) without the strongest reasons, all at once")
    random: float = Field(description="mean fall without as many parts, drawn at random")
    interval: Interval = Field(description="of the difference, by resampling users")


class Moves(Result):
    """The same of the parts of a prompt; None where none was there, or nothing was measured."""

    history: Moved | None = None
    evidence: Moved | None = None
    reasons: Faithful | None = None


class Health(Result):
    """Whether the scores of a language model hang on user and item together, and on what it is shown."""

    method: str
    interaction_share: float | None = Field(
        description="share of the variance of its logits that is user x item, see ``health.interaction_share``; None: "
        "it gives one score, or rows are too few"
    )
    item_correlation: float | None = Field(
        description="Spearman's, with the scores of the item mean; None: all rows have one score"
    )
    told_correlation: float | None = Field(
        default=None,
        description="Spearman's within users, see ``health.within_correlation``, with the probabilities that its "
        "evidence tells, before they are put into words; None: it tells none, or all rows of every user have one score",
    )
    moves: Moves = Moves()


class Spread(Result):
    """One metric over several seeds."""

    mean: float
    deviation: float | None = Field(description="sample standard deviation over seeds; None for one seed")
    interval: Interval | None = Field(description="knows of chance between seeds and of users")


class PairedDifference(Result):
    """One method minus another in one metric, over the seeds that both have."""

    value: float
    interval: Interval | None
    p_value: float = Field(description="two-sided; not corrected for number")
    detectable: float = Field(description="smallest true difference that a test at 5% finds four times in five")
    n_seeds: int


class Informativeness(Result):
    """How well one feature of the evidence alone, no model, tells positive rows from negative ones."""

    evidence: str = Field(description="which table, such as 'candidates (K_e = 10)'")
    feature: str
    split: str
    n_rows: int
    n_without: int = Field(description="rows that have no evidence at all (the feature is 0)")
    auc: float | None
    reason: str | None = Field(None, description="why there is no AUC")


class UserCount(Result):
    """What one number of found users tells about the rows of one split."""

    source: str = Field(description="who finds the users")
    split: str
    n_users: int
    n_rows: int
    named: float = Field(description="share of rows whose target one of the users liked")
    auc: float | None = Field(description="of the number of users who liked the target, alone")
    uauc: float | None
    added_auc: float | None = Field(description="of a regression on item mean and number, cross-fitted by user")
    added_uauc: float | None
    mean_auc: float | None = Field(description="of the item mean alone, cross-fitted likewise")
    gain: Interval | None = Field(description="95% interval of added_auc - mean_auc, over users")
    closeness: float | None = Field(
        None, description="mean cosine of the target and the titles shown, by the untuned retriever's vectors"
    )


class SourceDifference(Result):
    """What the users of one source add to the item mean, minus what those of another add, in AUC."""

    source: str
    against: str
    split: str
    n_users: int
    value: float
    interval: Interval | None = Field(description="95%, over users")


class StateSpread(Result):
    """Whether a recommender tells users apart."""

    mean_cosine: float = Field(description="of the states of two users")
    effective_rank: float = Field(description="of the states, each of length 1")
    interaction_share: float = Field(description="share of score variance that is user x item")


class NeighbourShare(Result):
    """What the users that one source finds alike have in common."""

    source: str
    jaccard: float = Field(description="shared items of a user and the nearest ones")
    random_jaccard: float = Field(description="the same with everybody")
    low: float = Field(description="95% interval of the difference")
    high: float
    found_share: float = Field(description="share of the users that anybody finds")
    largest_in_degree: int = Field(description="of how many users the most frequent neighbour is one")
    n_anchors: int


class Ranking(Result):
    """Where held-out likes stand among the whole catalogue, what the user had liked before left out."""

    predictor: str
    split: str
    n_rows: int
    measures: dict[str, float] = Field(description="recall@10, recall@20, ndcg@10, ndcg@20")


class Signal(Result):
    """Whether there is anything that evidence could pass on."""

    recommender: str
    spread: StateSpread
    rankings: list[Ranking]
    alike: list[NeighbourShare]
    counts: list[UserCount]
    differences: list[SourceDifference] = Field(default_factory=list)
    warnings: list[str]
