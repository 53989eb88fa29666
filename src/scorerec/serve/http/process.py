"""Processes that serve: one in the process that was started, or several beside each other at one address."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from scorerec.serve.config import ServeConfig
from scorerec.serve.http.access import Key, read_keys, require_keys
from scorerec.serve.service import Service

_ENVIRONMENT = "SCOREREC_SERVE"  # how the processes know what to serve
_SHARED_METERS = "PROMETHEUS_MULTIPROC_DIR"
# Torch keeps a compiled kernel for each length of input, 1,024 of them by default: megabytes a request, for hours.
_KERNELS = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
_GRACE = 30  # seconds for requests that run when it is told to stop


class Place(BaseModel):
    """What is served, and where.

    Attributes:
        folder: of the run.
        config: how.
        keys: file of API keys; None: the environment's.
        host: address.
        port: its port; 0: a free one.
        workers: processes.
    """

    folder: Path
    config: ServeConfig = ServeConfig()
    keys: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1


def serve(place: Place, tell: Callable[[Service, str], None]) -> None:
    """Serve until told to stop: SIGTERM or SIGINT; requests that run are finished.

    Args:
        place: what and where.
        tell: hears of the service, and of its address, before it listens.

    Raises:
        ScorerecError: the run cannot be served, scores otherwise than it did, or would be open to all.
    """
    os.environ.setdefault(*_KERNELS)
    keys = read_keys(place.keys)
    require_keys(place.host, keys)
    service = _loaded(place)  # with several processes, to know before they start that each of them will come up
    tell(service, f"http://{place.host}:{place.port}")
    common: dict[str, Any] = {"host": place.host, "port": place.port, "log_level": "warning", "access_log": False}
    common |= {"timeout_graceful_shutdown": _GRACE, "server_header": False}
    if place.workers == 1:
        uvicorn.run(create(service, place, keys), **common)
        return
    service.close()
    del service
    os.environ[_ENVIRONMENT] = place.model_dump_json()
    with tempfile.TemporaryDirectory(prefix="scorerec-meters-") as folder:
        os.environ[_SHARED_METERS] = folder
        uvicorn.run(f"{__name__}:app_of_environment", factory=True, workers=place.workers, **common)


def create(service: Service, place: Place, keys: list[Key]) -> FastAPI:
    """Return the app of a loaded run.

    Args:
        service: the run.
        place: how and where it is served.
        keys: who may come in.
    """
    from scorerec.serve.http.app import create_app  # meters: the environment says beforehand whether they are shared

    return create_app(service, place.config, keys, place.workers > 1)


def app_of_environment() -> FastAPI:
    """Return the app of one of several processes."""
    place = Place.model_validate_json(os.environ[_ENVIRONMENT])
    return create(_loaded(place), place, read_keys(place.keys))


def _loaded(place: Place) -> Service:
    service = Service.load(place.folder, place.config)
    service.require_sound()
    return service
