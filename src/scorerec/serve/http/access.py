"""Who may do what, and how often: API keys, of which hashes are kept alone, and a rate for each."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from scorerec.core.errors import ConfigError
from scorerec.serve.http.problems import ProblemError

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
ENVIRONMENT = "SCOREREC_SERVE_KEYS"
COOKIE = "scorerec_key"  # of pages
_PREFIX = "sr_"
_MOST_CALLERS = 10_000


@dataclass(frozen=True)
class Key:
    """Attributes: ``name``: for logs; ``scopes``: what its bearer may do; ``digest``: SHA-256 of the key, in hex."""

    name: str
    scopes: frozenset[Scope]
    digest: str


def new_key(name: str, scopes: Sequence[Scope]) -> tuple[str, str]:
    """Return a new key, which is shown once, and the line that lets it in."""
    key = _PREFIX + secrets.token_urlsafe(32)  # so long that no slow hash is needed
    return key, f"{name}:{'+'.join(scopes)}:{_digest(key)}"


def read_keys(file: Path | None, environment: Mapping[str, str] = os.environ) -> list[Key]:
    """Return the keys of a file, one a line, or of the environment, with spaces between.

    Raises:
        ConfigError: the file cannot be read, or a line is none.
    """
    if file is None:
        return [
            _key(text, f"{ENVIRONMENT}, key {n}") for n, text in enumerate(environment.get(ENVIRONMENT, "").split(), 1)
        ]
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}; `scorerec serve-key NAME` writes the lines") from None
    numbered = ((n, line.strip()) for n, line in enumerate(lines, start=1))
    return [_key(line, f"{file}, line {n}") for n, line in numbered if line and not line.startswith("#")]


def require_keys(host: str, keys: Sequence[Key]) -> None:
    """Refuse to be open to others than this machine without keys.

    Raises:
        ConfigError: the address can be reached from elsewhere, and there are no keys.
    """
    if keys or host == "localhost":
        return
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ConfigError(
            f"--host {host} can be reached from elsewhere, and no API keys are set: make one with `scorerec serve-key "
            f"NAME`, and give its line in --keys FILE or in {ENVIRONMENT}; or serve on 127.0.0.1"
        )


def _key(line: str, place: str) -> Key:
    parts = line.split(":")
    scopes = parts[1].split("+") if len(parts) == 3 else []
    if len(parts) != 3 or not parts[0] or not set(scopes) <= set(SCOPES) or len(parts[2]) != 64:
        raise ConfigError(
            f"{place}: wanted NAME:SCOPES:HASH with scopes of {'+'.join(SCOPES)}; `scorerec serve-key NAME` makes it"
        )
    return Key(parts[0], frozenset(scope for scope in SCOPES if scope in scopes), parts[2].lower())


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Doorkeeper:
    """Lets requests in.

    Args:
        keys: who may come; none: everybody on this machine may do everything.
        per_minute: requests of one caller.
    """

    def __init__(self, keys: Iterable[Key], per_minute: int):
        self.keys, self._per_minute = list(keys), per_minute
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller -> requests left, and when

    def admit(self, key: str | None, scope: Scope, address: str) -> str:
        """Return the name of who asks.

        Args:
            key: that came with the request.
            scope: that it needs.
            address: where it came from.

        Raises:
            ProblemError: there is no such key, it may not do that, or it asks too often.
        """
        try:
            caller = self._who(key, scope) if self.keys else address
        except ProblemError:
            self._count(f"refused {address}")  # who guesses keys does so at this rate
            raise
        self._count(caller)
        return caller

    def may(self, key: str | None, scope: Scope) -> bool:
        """Return whether a key opens a scope; without keys everything is open."""
        return not self.keys or any(scope in one.scopes for one in self._matching(key))

    def _matching(self, key: str | None) -> list[Key]:
        given = _digest(key or "")
        return [one for one in self.keys if key and hmac.compare_digest(one.digest, given)]

    def _who(self, key: str | None, scope: Scope) -> str:
        found = self._matching(key)
        if not found:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "wanted an API key that is known" + ("" if key else ", got none"),
                remedy="send it in the header X-API-Key",
                headers={"WWW-Authenticate": 'ApiKey realm="scorerec"'},
            )
        if not any(scope in one.scopes for one in found):
            raise ProblemError(
                HTTPStatus.FORBIDDEN, f"this key may not {scope}", remedy=f"use one with the scope {scope}"
            )
        return found[0].name

    def _count(self, caller: str) -> None:
        """Take one from what a caller has left, which fills up again all the time."""
        with self._lock:
            self._take_one(caller)

    def _take_one(self, caller: str) -> None:
        now, rate = time.monotonic(), self._per_minute / 60
        left, since = self._left.pop(caller, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - since) * rate)
        self._left[caller] = max(left - 1, 0.0) if left >= 1 else left, now
        while len(self._left) > _MOST_CALLERS:
            self._left.popitem(last=False)
        if left < 1:
            wait = max(1, round((1 - left) / rate))
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"more than {self._per_minute} requests a minute",
                remedy=f"come again in {wait} s",
                headers={"Retry-After": str(wait)},
            )
