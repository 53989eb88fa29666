"""One thread for the models, and a bounded queue before it; waiting requests of one kind are answered together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

from scorerec.core.errors import ScorerecError
from scorerec.core.memory import give_back
from scorerec.serve.service import Service

Answer = Callable[[Service, Sequence[Any]], Sequence[Any]]  # answers several requests of one kind
_TIDY_SECONDS = 30.0  # between two times that free memory goes back to the system


class QueueFullError(Exception):
    """More requests wait already than may."""


Kind = Literal["together", "single", "control"]


@dataclass
class _Job:
    answer: Answer
    asked: Any
    kind: Kind
    result: Future[Any] = field(default_factory=Future)


class ModelThread:
    """Answers requests one group after another.

    Args:
        service: that answers.
        max_waiting: requests that may wait.
        max_together: that are answered together.
    """

    def __init__(self, service: Service, max_waiting: int, max_together: int):
        self.service, self._max_waiting, self._max_together = service, max_waiting, max_together
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    @property
    def n_waiting(self) -> int:
        """Requests that wait."""
        return len(self._jobs)

    def ask(self, answer: Answer, asked: Any, kind: Kind = "together") -> Future[Any]:
        """Let something be answered.

        Args:
            answer: what answers.
            asked: what is asked.
            kind: together: with waiting requests of the same answer; single: by itself, as what writes must be;
                control: by itself, however many wait, and whether or not what was added can be read.

        Raises:
            QueueFullError: too many wait.
        """
        job = _Job(answer, asked, kind)
        with self._changed:
            if self._is_over or (kind != "control" and len(self._jobs) >= self._max_waiting):
                raise QueueFullError
            self._jobs.append(job)
            self._changed.notify()
        return job.result

    def swap(self, service: Service) -> Future[Any]:
        """Let another service answer from the next request on; the old one is closed then."""

        def swapped(old: Service, _: Sequence[Any]) -> list[None]:
            self.service = service
            old.close()
            return [None]

        return self.ask(swapped, None, "control")

    def stop(self) -> None:
        """Answer what waits, and end."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()
        self.service.close()

    def _work(self) -> None:
        tidied = time.monotonic()
        while group := self._next():
            taken = [job for job in group if job.result.set_running_or_notify_cancel()]
            if taken:
                self._answer(taken)
            if time.monotonic() > tidied + _TIDY_SECONDS:
                give_back()
                tidied = time.monotonic()

    def _next(self) -> list[_Job]:
        """Wait for a job, and return it with those of its kind that stand behind it; none at the end."""
        with self._changed:
            while not self._jobs and not self._is_over:
                self._changed.wait()
            group: list[_Job] = []
            while self._jobs and len(group) < self._max_together:
                if group and not (group[0].kind == self._jobs[0].kind == "together"):
                    break
                if group and self._jobs[0].answer is not group[0].answer:
                    break
                group.append(self._jobs.popleft())
            return group

    def _answer(self, group: Sequence[_Job]) -> None:
        try:
            if group[0].kind != "control":
                self.service.refresh()
            answers = group[0].answer(self.service, [job.asked for job in group])
        except Exception as error:
            if len(group) > 1 and isinstance(error, ScorerecError):  # one of them is at fault: each alone
                for job in group:
                    self._answer([job])
                return
            for job in group:
                job.result.set_exception(error)
            return
        for job, found in zip(group, answers, strict=True):
            job.result.set_result(found)
