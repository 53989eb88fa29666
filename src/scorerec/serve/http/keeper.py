"""What an app keeps: the thread of the models, meters, the latest errors, and a look at whether the run changed."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any

from scorerec.core.errors import ScorerecError
from scorerec.experiment.run import RECORD
from scorerec.serve.config import ServeConfig
from scorerec.serve.forget import Forgotten, forget
from scorerec.serve.http.access import Doorkeeper
from scorerec.serve.http.metrics import Meters
from scorerec.serve.http.once import Done
from scorerec.serve.http.problems import ProblemError
from scorerec.serve.http.queue import Answer, Kind, ModelThread, QueueFullError
from scorerec.serve.service import Service

log = logging.getLogger("scorerec.serve")
_MOST_ERRORS = 50


@dataclass(frozen=True)
class NotedError:
    """Attributes: ``second``: when, UTC; ``kind``: its class; ``text``: what it says."""

    second: int
    kind: str
    text: str


@dataclass
class Keeper:
    """The state of an app.

    Attributes:
        folder: of the run.
        config: how it is served.
        door: who may come in.
        thread: that answers.
        meters: what Prometheus is told.
        errors: the latest ones that are not the fault of who asked.
        started: second when the app began.
        is_warm: whether the first request waits for nothing but its own answer.
    """

    folder: Path
    config: ServeConfig
    door: Doorkeeper
    thread: ModelThread
    meters: Meters
    errors: deque[NotedError] = field(default_factory=lambda: deque(maxlen=_MOST_ERRORS))
    started: int = field(default_factory=lambda: int(time.time()))
    is_warm: bool = False
    _refused: bytes = b""  # record of a run that could not be loaded: it is not tried again until it changes
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def knows_dislikes(self) -> bool:
        """Whether it is told to the LM what somebody did not like."""
        return self.thread.service.run.config.evidence.own_dislikes

    def note(self, kind: str, error: BaseException) -> None:
        """Keep an error for the operator, and log it; what an unexpected one says may hold an id, and is left out."""
        is_known = isinstance(error, ScorerecError)
        text = str(error)[:500] if is_known else "".join(traceback.format_tb(error.__traceback__)[-3:])
        self.errors.appendleft(NotedError(int(time.time()), kind, text))
        log.error("%s: %s", kind, text)

    async def ask(self, answer: Answer, asked: Any, kind: Kind = "together") -> Any:
        """Let the models answer.

        Args:
            answer: a function of ``answers``.
            asked: what is asked.
            kind: see ``ModelThread.ask``.

        Raises:
            ProblemError: too many wait, or it took too long.
        """
        try:
            waiting = self.thread.ask(answer, asked, kind)
        except QueueFullError:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self.config.max_waiting} requests wait already",
                remedy="come again in a moment, or serve with more workers",
                headers={"Retry-After": "2"},
            ) from None
        return await self._within_time(waiting)

    async def _within_time(self, waiting: Future[Any]) -> Any:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(waiting), self.config.timeout_seconds)
        except TimeoutError:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"no answer within {self.config.timeout_seconds:g} s",
                remedy="ask for fewer items, or without reasons",
                headers={"Retry-After": "10"},
            ) from None
        finally:
            self.meters.take(self.thread.service)

    async def warm(self) -> None:
        """Let the models compute what the first request would wait for, and then, between requests, the rest."""
        parts = self.thread.service.warming()

        def warmed(_: Service, __: Any) -> list[bool]:
            return [bool(list(islice(parts, 1)))]

        try:
            while await asyncio.wrap_future(self.thread.ask(warmed, None, "control")):
                self.is_warm = True
        except Exception as error:  # whoever asks is told then
            self.note(type(error).__name__, error)
        self.is_warm = True

    async def forget(self, user_id: str) -> Forgotten:
        """Forget a user in all files of the run, while others are answered, and in what is kept in memory.

        Raises:
            DataError: nobody knows the user.
        """
        found = await asyncio.to_thread(forget, self.folder, user_id)
        await asyncio.to_thread(Done(self.folder).clear)

        def refreshed(service: Service, _: Any) -> list[None]:
            service.refresh()
            return [None]

        await self._within_time(self.thread.ask(refreshed, None, "control"))
        return found

    async def watch(self) -> None:
        """Look now and then whether the run was made anew, and serve that one then."""
        while True:
            await asyncio.sleep(self.config.reload_seconds)
            record = await asyncio.to_thread(_record_of, self.folder)
            if record not in (None, self.thread.service.record, self._refused):
                await self.reload()

    async def reload(self) -> str | None:
        """Load the run as it is now beside the one that serves, and swap them; one such attempt at a time.

        Returns:
            Why the old one still serves; None: it does not.
        """
        async with self._reloading:
            record = await asyncio.to_thread(_record_of, self.folder)
            try:
                service = await asyncio.to_thread(_loaded, self.folder, self.config)
            except Exception as error:  # whatever it is, memory that does not suffice for two: the old one serves
                self._refused = record or b""
                self.note("Reload", error)
                self.meters.reloads.labels("refused").inc()
                return f"{type(error).__name__}: {error}"
            await asyncio.wrap_future(self.thread.swap(service))
            self.meters.reloads.labels("done").inc()
            return None


def _loaded(folder: Path, config: ServeConfig) -> Service:
    service = Service.load(folder, config)
    try:
        service.require_sound()
        for _ in service.warming():
            pass
    except BaseException:
        service.close()
        raise
    return service


def _record_of(folder: Path) -> bytes | None:
    try:
        return (folder / RECORD).read_bytes()
    except OSError:
        return None
