"""The HTTP client below the SDK: each attempt, a retry too, keeps to the rate and is counted when it fails.

Imports the SDK, which takes two seconds; so import this module only where an LLM is asked.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Any

import openai

from scorerec.assess.limits import RateLimit

# These loggers of the SDK's transport write down the address of every call, which is to reach no log.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# By name: the SDK's HTTP library is no dependency of ours. Every kind of time-out is a TimeoutException.
_KINDS = {
    "TimeoutException": "timeout",
    "ConnectError": "no connection",
    "NetworkError": "connection reset",
    "RemoteProtocolError": "half a reply",
}


class MeteredClient(openai.DefaultHttpxClient):
    """An HTTP client that makes every attempt wait for its turn, and counts those that fail.

    Args:
        rate: attempts per minute.
    """

    def __init__(self, rate: RateLimit):
        super().__init__()
        self._rate = rate
        self._lock = threading.Lock()
        self._failed: Counter[str] = Counter()

    def __del__(self) -> None:
        # As the SDK's own client does; it leaves a client that it was given open.
        if not self.is_closed:
            self.close()

    @property
    def failed(self) -> dict[str, int]:
        """How many attempts failed, by kind."""
        with self._lock:
            return dict(sorted(self._failed.items()))

    @staticmethod
    def kind(error: BaseException | None) -> str:
        """Return what an attempt that ended in this error is counted as, such as ``timeout``."""
        names = [ancestor.__name__ for ancestor in type(error).__mro__]
        return next((_KINDS[name] for name in names if name in _KINDS), "connection")

    def send(self, request: Any, **options: Any) -> Any:
        """Send one request and read the whole reply; ``options`` are those of the method that this overrides."""
        self._rate.take(1)
        try:
            response = super().send(request, **options)
        except Exception as error:
            self._count(self.kind(error))
            raise
        if response.status_code >= 400:
            self._count(f"status {response.status_code}")
        return response

    def _count(self, kind: str) -> None:
        with self._lock:
            self._failed[kind] += 1
