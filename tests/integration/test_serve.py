"""The service over a finished run: what it answers, to whom, and what it keeps to itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from scorerec.core.errors import ConfigError
from scorerec.experiment.run import Run
from scorerec.serve.config import ServeConfig
from scorerec.serve.http.access import Key, new_key, read_keys
from scorerec.serve.http.app import create_app
from scorerec.serve.service import Service

FORMS = 'evidence.forms=["titles","verdicts","opinion"]'
SMALL = ("crm.epochs=2", "car.epochs=1", "sare.epochs=1", "llm.epochs=1")


@pytest.fixture(scope="module")
def served(experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run with three forms of evidence."""
    made = experiment.run(tmp_path_factory.mktemp("served"), FORMS, *SMALL, "name=served")
    return made.root / made.config.folder_name


@pytest.fixture
def folder(served: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may change."""
    shutil.copytree(served.parent, tmp_path / "runs")
    return tmp_path / "runs" / served.name


def client_of(folder: Path, keys: list[Key] | None = None, **settings: Any) -> TestClient:
    config = ServeConfig(**{"min_users": 2, **settings})
    return TestClient(create_app(Service.load(folder, config), config, keys or []), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client(served: Path) -> Iterator[TestClient]:
    with client_of(served) as client:
        yield client


def liked_by(folder: Path, user: str) -> list[str]:
    rows = Run.open(folder).interactions.to_pylist()
    return [row["item_id"] for row in rows if row["user_id"] == user and row["label"]]


def users_of(folder: Path) -> list[str]:
    return sorted(set(Run.open(folder).interactions["user_id"].to_pylist()))


def test_items_are_scored_for_a_user_and_for_a_stranger_with_the_same_history(client: TestClient, served: Path) -> None:
    user = users_of(served)[0]
    history, items = liked_by(served, user), ["00001", "00002", "00003"]
    known = client.post("/v1/score", json={"user_id": user, "items": items}).json()
    stranger = client.post("/v1/score", json={"history": history, "items": items}).json()
    assert [one["item"]["item_id"] for one in known["items"]] == items
    assert all(0 < one["p_yes"] < 1 for answer in (known, stranger) for one in answer["items"])
    again = client.post("/v1/score", json={"history": history, "items": items}).json()
    assert again == stranger
    run = Run.open(served)
    assert known["versions"]["model"] == run.artifact("tuned-score").fingerprint
    assert known["versions"]["corpus"] == run.artifact("corpus").fingerprint
    assert known["versions"]["snapshot"] == max(run.interactions["timestamp"].to_pylist())


def test_what_was_seen_does_not_come_again_unless_asked_for(client: TestClient, served: Path) -> None:
    user = users_of(served)[0]
    seen = {row["item_id"] for row in Run.open(served).interactions.to_pylist() if row["user_id"] == user}
    asked = {"user_id": user, "top_n": 15}
    answer = client.post("/v1/recommend", json=asked).json()
    found = [one["item"]["item_id"] for one in answer["items"]]
    assert len(found) == 15
    assert not seen & set(found)
    scores = [one["p_yes"] for one in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    without = client.post("/v1/recommend", json={**asked, "exclude": found[:3]}).json()
    assert not {one["item"]["item_id"] for one in without["items"]} & set(found[:3])
    again = client.post("/v1/recommend", json={**asked, "include_seen": True, "top_n": 60}).json()
    assert seen & {one["item"]["item_id"] for one in again["items"]}
