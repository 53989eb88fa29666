"""What Prometheus is told: requests, seconds by stage, the queue, tokens, and how often a score was known already."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from scorerec.serve.service import Service

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Row(NamedTuple):
    """Attributes: ``name``: of a route or stage; ``n_times``: how often; ``milliseconds``: on average."""

    name: str
    n_times: int
    milliseconds: float


class Meters:
    """The meters of one app.

    Args:
        n_waiting: requests that wait.
        is_shared: whether several processes serve: then each tells what all of them did.
    """

    def __init__(self, n_waiting: Callable[[], int], is_shared: bool = False):
        self._registry, self._is_shared = CollectorRegistry(), is_shared
        self.requests = Counter("scorerec_requests", "Answered requests.", ["route", "status"], registry=self._registry)
        self.seconds = Histogram(
            "scorerec_request_seconds",
            "Seconds until the answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.stages = Histogram(
            "scorerec_stage_seconds", "Seconds by stage.", ["stage"], buckets=_SECONDS, registry=self._registry
        )
        self._prompts = Counter("scorerec_prompts", "Prompts that were asked for.", registry=self._registry)
        self._hits = Counter("scorerec_score_cache_hits", "Prompts whose score was known.", registry=self._registry)
        self._tokens = Counter("scorerec_tokens", "Tokens of prompts that the LM read.", registry=self._registry)
        waiting = Gauge("scorerec_waiting_requests", "Requests that wait for the models.", registry=self._registry)
        if not is_shared:
            waiting.set_function(n_waiting)
        self.reloads = Counter("scorerec_reloads", "Runs that were loaded anew.", ["outcome"], registry=self._registry)

    def take(self, service: Service) -> None:
        """Take over what a service counted since the last time."""
        for stage, seconds in service.watched.seconds:
            self.stages.labels(stage).observe(seconds)
        service.watched.seconds.clear()
        done = service.scores.done
        for meter, amount in ((self._prompts, done.prompts), (self._hits, done.hits), (self._tokens, done.tokens)):
            meter.inc(amount)
        done.prompts = done.hits = done.tokens = 0

    def summary(self) -> list[Row]:
        """Return how often and how long each route and stage took in this process, the slowest first."""
        rows = []
        for histogram, label in ((self.seconds, "route"), (self.stages, "stage")):
            counts: dict[str, dict[str, float]] = {}
            for sample in (one for metric in histogram.collect() for one in metric.samples):
                kind = sample.name.rsplit("_", 1)[-1]
                if kind in ("count", "sum"):
                    counts.setdefault(sample.labels[label], {})[kind] = sample.value
            rows += [
                Row(name, int(c["count"]), 1000 * c["sum"] / c["count"]) for name, c in counts.items() if c["count"]
            ]
        return sorted(rows, key=lambda row: -row.milliseconds)

    def text(self) -> bytes:
        """Return all meters in the text format of Prometheus."""
        registry = self._registry
        if self._is_shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return bytes(generate_latest(registry))
