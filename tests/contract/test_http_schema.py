"""Whatever is sent to the service, its answer is one that the OpenAPI document names; schemathesis asks."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings

from scorerec.serve.config import ServeConfig
from scorerec.serve.http.access import SCOPES, Key
from scorerec.serve.http.app import create_app
from scorerec.serve.service import Service

KEY = "sr_test", hashlib.sha256(b"sr_test").hexdigest()
N_EXAMPLES = int(os.environ.get("SCOREREC_FUZZ", "15"))


@pytest.fixture(scope="module")
def schema(outcome: Any) -> Iterator[Any]:
    config = ServeConfig(min_users=2, requests_per_minute=10**6, shortlist=5, reload_seconds=3600)
    service = Service.load(outcome.root / outcome.config.folder_name, config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        app = create_app(service, config, [Key("all", frozenset(SCOPES), KEY[1])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [free]})
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{free.getsockname()[1]}/openapi.json")
        server.should_exit = True
        thread.join()


PATHS = (
    "/v1/score", "/v1/recommend", "/v1/explain", "/v1/items", "/v1/behaviours", "/v1/users/{user_id}", "/v1/reload",
    "/livez", "/readyz", "/metrics",
)  # fmt: skip


def test_every_path_is_tried(schema: Any) -> None:
    assert set(PATHS) == {operation.ok().path for operation in schema.get_all_operations()}


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/v1/reload"])
def test_no_request_gets_an_answer_that_is_not_documented(schema: Any, path: str) -> None:
    for operation in (one.ok() for one in schema.get_all_operations()):
        if operation.path != path:
            continue

        @settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck),
                  phases=[Phase.explicit, Phase.generate], derandomize=True, database=None)  # fmt: skip
        @given(case=operation.as_strategy())
        def answered(case: Any) -> None:
            case.call_and_validate(headers={"X-API-Key": KEY[0]})

        answered()
