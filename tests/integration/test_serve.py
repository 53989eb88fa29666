"""The service over a finished run: what it answers, to whom, and what it keeps to itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from scorerec import cli
from scorerec.core.errors import ArtifactError, ConfigError, DataError
from scorerec.experiment.run import Run
from scorerec.serve import batch
from scorerec.serve import service as services
from scorerec.serve.catalogue import NotThereError
from scorerec.serve.config import ServeConfig
from scorerec.serve.explain import recommend
from scorerec.serve.http import answers, messages
from scorerec.serve.http.access import ENVIRONMENT, Key, new_key, read_keys, require_keys
from scorerec.serve.http.app import create_app
from scorerec.serve.http.once import Done
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
    app = create_app(Service.load(folder, config), config, keys or [])
    return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)


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


def test_the_order_of_the_recommender_stands_where_time_is_spent(served: Path) -> None:
    user = users_of(served)[0]
    with client_of(served, seconds=1e-9, chunk=4) as client:
        answer = client.post("/v1/recommend", json={"user_id": user, "top_n": 10}).json()
    assert answer["scored"] == 4
    assert "stand in the order of the recommender alone" in answer["note"]
    assert [one["p_yes"] is None for one in answer["items"]] == [False] * 4 + [True] * 6
    service = Service.load(served, ServeConfig(min_users=2))
    person = service.person(user, None)
    order = service._recommender.shortlist(person.history, person.seen, 10)
    service.close()
    assert [one["item"]["item_id"] for one in answer["items"]][4:] == order[4:]
    assert {one["item"]["item_id"] for one in answer["items"][:4]} == set(order[:4])


def test_dislikes_beside_a_history_are_read_where_the_run_knows_dislikes(served: Path, experiment: Any) -> None:
    forms = 'evidence.forms=["verdicts","opinion","record"]'
    made = experiment.run(served.parent, forms, *SMALL, "name=dislikes", "evidence.own_dislikes=true")
    folder = made.root / made.config.folder_name
    liked, disliked, asked = ["00001", "00002"], ["00003", "00004"], {"item": "00005", "prompt": True}
    with client_of(folder) as client:
        plain = client.post("/v1/explain", json={**asked, "history": liked}).json()
        both = client.post("/v1/explain", json={**asked, "history": liked, "dislikes": disliked}).json()
        assert "liked 2 of 2" in plain["prompt"]
        assert "liked 2 of 4" in both["prompt"]
        assert client.post("/v1/explain", json={**asked, "history": liked}).json() == plain  # nothing is remembered
        found = client.post("/v1/recommend", json={"history": liked, "dislikes": disliked, "top_n": 60}).json()["items"]
        assert not {*liked, *disliked} & {one["item"]["item_id"] for one in found}
        titles = [one["title"] for one in client.get("/v1/items", params={"q": "the", "count": 2}).json()["items"]]
        page = client.get("/", params={"q": "the", "history": liked, "dislikes": disliked}).text
        assert f'aria-label="Did not like {escape(titles[0])}"' in page
        assert "They did not like" in page
        page = client.get("/why", params={"item": "00005", "history": liked, "dislikes": disliked}).text
        assert "liked 2 of 4" in page
        wrong = client.post("/v1/explain", json={**asked, "history": liked, "dislikes": ["nothing"]})
        assert (wrong.status_code, wrong.json()["field"]) == (404, "dislikes")
        wrong = client.post("/v1/explain", json={**asked, "user_id": users_of(folder)[0], "dislikes": disliked})
        assert wrong.status_code == 422
        assert "is known, or added to it" in wrong.json()["detail"]


def test_items_whose_titles_argue_have_no_name_for_the_lm_and_keep_it_for_people(served: Path, experiment: Any) -> None:
    made = experiment.run(served.parent, FORMS, *SMALL, "name=argued", "title_audit.bound=0.5")
    folder = made.root / made.config.folder_name
    run = Run.open(folder)
    renamed = run.guarded().renamed
    neutral = run.artifact("title-audit").facts["neutral"]
    assert 1 < len(renamed) < run.items.num_rows
    assert set(renamed.values()) == {neutral}
    arguing, other = next(iter(renamed)), next(item for item in run.item_ids if item not in renamed)
    title = run.prompter.describer.title
    history = [list(renamed)[1], other]
    with client_of(folder) as client:
        asked = {"history": history, "item": arguing, "prompt": True}
        told = client.post("/v1/explain", json=asked).json()
        assert f"'{neutral}'" in told["prompt"]
        assert title(arguing) not in told["prompt"]
        assert title(history[0]) not in told["prompt"]
        assert title(other) in told["prompt"]
        assert (told["item"]["item"]["title"], told["item"]["item"]["argues"]) == (title(arguing), True)
        scored = client.post("/v1/score", json={"history": history, "items": [arguing, other]}).json()["items"]
        assert [one["item"]["argues"] for one in scored] == [True, False]
        page = client.get("/why", params={"item": arguing, "history": history}).text
        assert "This title moves the answer further than titles do" in page
    (user,) = recommend(folder, [], 60)
    named = {item.item_id: item for item in user.items}
    assert renamed.keys() & named.keys()
    assert all(item.title == title(item_id) for item_id, item in named.items())  # people read titles
    assert user.unread == [item_id for item_id in named if item_id in renamed]
    printed = CliRunner().invoke(cli.app, ["recommend", str(folder), "--user", user.user_id, "-n", "60"]).output
    assert printed.count("was not read") == len(user.unread)
    printed = (
        CliRunner().invoke(cli.app, ["explain", str(folder), "--user", user.user_id, "--item", user.unread[0]]).output
    )
    assert "was not read" in printed
    service = Service.load(folder, ServeConfig(min_users=1))
    ((*scored,),) = service.score([(service.person(user.user_id, None), list(named))])
    service.close()
    for one in scored:  # both read neutral names
        assert one.p_yes == pytest.approx(named[one.item_id].p_yes, abs=1e-6)


def test_a_run_without_an_audit_is_served_as_it_is(served: Path, experiment: Any) -> None:
    made = experiment.run(served.parent, FORMS, *SMALL, "name=unaudited", "title_audit.prompts=0")
    assert "title-audit" not in made.artifacts
    service = Service.load(made.root / made.config.folder_name, ServeConfig(min_users=2))
    assert not service.is_audited
    assert not service.run.renamed
    service.close()


def test_pages_ask_for_dislikes_only_where_they_are_read(client: TestClient) -> None:
    page = client.get("/", params={"q": "the", "history": ["00001"]}).text
    assert 'aria-label="Add ' in page
    assert "id not like" not in page


def test_filters_choose_by_what_is_known_of_items(client: TestClient) -> None:
    columns = client.get("/v1/items", params={"q": "the", "count": 3}).json()["columns"]
    assert "genres" in columns
    found = client.post("/v1/recommend", json={"history": ["00001"], "filters": {"genres": ["Drama"]}, "top_n": 5})
    assert all("Drama" in one["item"]["facts"]["genres"] for one in found.json()["items"])
    wrong = client.post("/v1/recommend", json={"history": ["00001"], "filters": {"colour": "red"}})
    assert (wrong.status_code, wrong.json()["field"]) == (404, "filters.colour")
    assert "genres" in wrong.json()["detail"]
    wrong = client.post("/v1/recommend", json={"history": ["00001"], "filters": {"genres": {"min": 3}}})
    assert (wrong.status_code, wrong.json()["field"]) == (404, "filters.genres")


def test_an_explanation_is_what_the_answer_is_without_each_part(client: TestClient, served: Path) -> None:
    user = users_of(served)[0]
    asked = {"user_id": user, "item": "00002"}
    answer = client.post("/v1/explain", json={**asked, "prompt": True}).json()
    p_yes, why = answer["item"]["p_yes"], answer["item"]["explanation"]
    assert p_yes == pytest.approx(answer["p_yes_left"])
    assert answer["item"]["item"]["title"] in answer["prompt"]
    falls = [reason["fall"] for reason in why["reasons"]]
    assert falls == sorted(falls, reverse=True)
    assert {"title", "neighbour", "told"} <= {reason["kind"] for reason in why["reasons"]}
    assert len(answer["parts"]) == len(why["reasons"])
    for reason in why["reasons"]:
        assert reason["fall"] == pytest.approx(p_yes - reason["p_without"])
        left = client.post("/v1/explain", json={**asked, "left_out": [reason["part"]]}).json()
        assert left["p_yes_left"] == pytest.approx(reason["p_without"])
        assert left["item"]["p_yes"] == pytest.approx(p_yes)
    evidence = [reason["part"] for reason in why["reasons"] if reason["kind"] in ("neighbour", "told")]
    left = client.post("/v1/explain", json={**asked, "left_out": evidence}).json()
    assert left["p_yes_left"] == pytest.approx(why["p_without_evidence"])
    wrong = client.post("/v1/explain", json={**asked, "left_out": [999]})
    assert (wrong.status_code, wrong.json()["field"]) == (404, "left_out")
    recommended = client.post("/v1/recommend", json={"user_id": user, "top_n": 2, "explain": True}).json()
    assert all(one["explanation"]["reasons"] for one in recommended["items"])


def test_neighbours_have_letters_and_no_answer_has_an_id_of_a_user(client: TestClient, served: Path) -> None:
    users = users_of(served)
    answer = client.post("/v1/recommend", json={"history": liked_by(served, users[0]), "top_n": 10, "explain": True})
    names = {one["name"] for item in answer.json()["items"] for one in item["neighbours"]}
    assert names
    assert names <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert not [user for user in users if f'"{user}"' in answer.text or f"{user}@" in answer.text]


def test_what_few_users_did_is_not_told(served: Path) -> None:
    """The titles of evidence are those that enough users liked, and verdicts are those of enough raters."""
    rows = Run.open(served).interactions.to_pylist()
    training = [row for row in rows if row["split"] == "train"]
    likers = {
        item: {row["user_id"] for row in rows if row["item_id"] == item and row["label"]}
        for item in {row["item_id"] for row in rows}
    }
    least = sorted(map(len, likers.values()))[len(likers) // 2]
    raters = {item: len({row["user_id"] for row in training if row["item_id"] == item}) for item in likers}
    titles = {row["item_id"]: row["title"] for row in Run.open(served).items.to_pylist()}
    often = {title for item, title in titles.items() if len(likers.get(item, ())) >= least}
    items = sorted(likers)[:40]
    with client_of(served, min_users=least) as client:
        found = client.post("/v1/score", json={"history": items[:5], "items": items}).json()["items"]
    shown = {title for one in found for neighbour in one["neighbours"] for title in neighbour["titles"]}
    assert shown
    assert shown <= often
    few = [one for one in found if raters.get(one["item"]["item_id"], 0) < least]
    assert few
    assert all("No other" in one["told"] or "nobody" in one["told"].lower() for one in few), few[0]["told"]


def test_new_behaviours_are_known_at_the_next_request(folder: Path) -> None:
    with client_of(folder) as client:
        assert client.post("/v1/recommend", json={"user_id": "newcomer"}).status_code == 404
        rows = [{"user_id": "newcomer", "item_id": item, "liked": True} for item in ("00001", "00002")]
        rows.append({"user_id": "newcomer", "item_id": "00003", "rating": 1})
        added = client.post("/v1/behaviours", json={"interactions": rows}).json()
        assert (added["interactions"], added["liked"], added["users"]) == (3, 2, 1)
        known = client.get("/v1/users/newcomer").json()
        assert (known["interactions"], known["liked"]) == (3, 2)
        found = client.post("/v1/recommend", json={"user_id": "newcomer", "top_n": 5}).json()
        assert not {"00001", "00002", "00003"} & {one["item"]["item_id"] for one in found["items"]}
        assert "+" in found["versions"]["corpus"]
        before = found["versions"]["corpus"]
        wrong = client.post("/v1/behaviours", json={"interactions": [{"user_id": "a", "item_id": "none"}]})
        assert (wrong.status_code, wrong.json()["field"]) == (404, "interactions.0.item_id")
        assert (
            client.post("/v1/score", json={"history": ["00001"], "items": ["00002"]}).json()["versions"]["corpus"]
            == before
        )
    with client_of(folder) as client:  # a new process
        assert client.get("/v1/users/newcomer").json()["interactions"] == 3


def test_another_process_s_writes_are_known(folder: Path) -> None:
    with client_of(folder) as one, client_of(folder) as other:
        asked = {"interactions": [{"user_id": "newcomer", "item_id": "00001"}]}
        assert other.get("/v1/users/newcomer").status_code == 404
        assert one.post("/v1/behaviours", json=asked).status_code == 200
        assert other.get("/v1/users/newcomer").json()["liked"] == 1


def test_a_write_with_a_key_is_done_once(folder: Path) -> None:
    headers = {"Idempotency-Key": "order-1"}
    rows = {"interactions": [{"user_id": "newcomer", "item_id": "00001"}]}
    with client_of(folder) as client:
        first = client.post("/v1/behaviours", json=rows, headers=headers)
        again = client.post("/v1/behaviours", json=rows, headers=headers)
        assert first.json() == again.json()
        assert client.get("/v1/users/newcomer").json()["interactions"] == 1
        other = {"interactions": [{"user_id": "somebody", "item_id": "00001"}]}
        wrong = client.post("/v1/behaviours", json=other, headers=headers)
        assert (wrong.status_code, wrong.json()["field"]) == (409, "Idempotency-Key")


def test_after_the_answer_no_file_tells_of_who_was_forgotten(folder: Path) -> None:
    user, other, third, *_ = users_of(folder)[5:]
    name = "zz-unmistakable-zz"
    score = {"history": ["00001"], "items": ["00002"]}
    with client_of(folder) as client:
        assert client.delete(f"/v1/users/{user}").json()["not_unlearnt"]  # the first write of all
        assert client.post("/v1/score", json={"user_id": user, "items": ["00001"]}).status_code == 404
        assert client.post("/v1/score", json=score).status_code == 200
        rows = {"interactions": [{"user_id": name, "item_id": item} for item in ("00001", "00002", "00003")]}
        assert client.post("/v1/behaviours", json=rows, headers={"Idempotency-Key": name}).status_code == 200
        assert client.post("/v1/recommend", json={"user_id": name}).status_code == 200
        assert holders(folder, name)
        answer = client.delete(f"/v1/users/{name}").json()
        assert answer["rows"] > 0
        assert not holders(folder, name)
        assert client.get(f"/v1/users/{name}").status_code == 404
        assert client.delete(f"/v1/users/{name}").status_code == 404
        assert client.delete(f"/v1/users/{other}").status_code == 200
        assert client.post("/v1/score", json=score).status_code == 200
        assert client.post("/v1/reload").status_code == 204
    for user_id in (user, other):  # ids of rows hold those of users
        assert not [path for path in holders(folder, f"{user_id}:") if path.suffix == ".parquet"]
    service = Service.load(folder, ServeConfig(min_users=2))  # what went is made anew
    service.require_sound()
    service.close()
    with client_of(folder) as client:
        assert client.post("/v1/score", json=score).status_code == 200
        assert client.delete(f"/v1/users/{third}").status_code == 200


def test_what_cannot_be_read_now_is_read_at_the_next_request(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = {"history": ["00001"], "items": ["00002"]}
    with client_of(folder) as client:
        rows = {"interactions": [{"user_id": "newcomer", "item_id": "00001"}]}
        broken: list[bool] = []

        def failing(*_: Any) -> Any:
            broken.append(True)
            raise ArtifactError("cannot be read")

        with monkeypatch.context() as context:
            context.setattr(services, "interactions_by_now", failing)
            assert client.post("/v1/behaviours", json=rows).status_code == 200  # it is on disk
            assert client.post("/v1/score", json=score).status_code == 503
        assert broken
        assert client.post("/v1/score", json=score).status_code == 200
        assert client.get("/v1/users/newcomer").json()["liked"] == 1


def test_writes_that_wait_are_made_one_by_one(folder: Path) -> None:
    """What one of them does wrong is not the others' fault, and nothing is added twice."""
    good, bad = (
        {"interactions": [{"user_id": name, "item_id": item}]} for name, item in (("good", "00001"), ("bad", "none"))
    )
    with client_of(folder) as client:
        keeper = client.app.state.keeper  # type: ignore[attr-defined]
        jobs = [
            keeper.thread.ask(answers.added, answers.Write(messages.BehavioursRequest.model_validate(one)), "single")
            for one in (good, bad, good)
        ]
        assert jobs[0].result(30).interactions == 1
        with pytest.raises(NotThereError):
            jobs[1].result(30)
        assert jobs[2].result(30).interactions == 1
        assert client.get("/v1/users/good").json()["interactions"] in (1, 2)  # 2 where a second began between
        assert client.get("/v1/users/bad").status_code == 404


def test_a_write_that_was_cut_off_is_the_same_one_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the write and the note that it is done: the retry finds its own rows."""
    rows = {"interactions": [{"user_id": "newcomer", "item_id": "00001"}]}
    headers = {"Idempotency-Key": "order-1"}
    with client_of(folder) as client:
        with monkeypatch.context() as context:
            context.setattr(Done, "end", lambda *_: (_ for _ in ()).throw(OSError("no room")))
            assert client.post("/v1/behaviours", json=rows, headers=headers).status_code == 500
        time.sleep(1.1)  # another second
        assert client.post("/v1/behaviours", json=rows, headers=headers).status_code == 200
        assert client.get("/v1/users/newcomer").json()["interactions"] == 1


def test_a_retrained_retriever_encodes_anew_what_was_added(folder: Path, experiment: Any) -> None:
    rows = {"interactions": [{"user_id": "newcomer", "item_id": item} for item in ("00001", "00002", "00003")]}
    with client_of(folder) as client:
        assert client.post("/v1/behaviours", json=rows).status_code == 200
    experiment.run(folder.parent, FORMS, *SMALL, "name=served", "car.learning_rate=0.01")
    with client_of(folder) as client:
        assert client.get("/v1/users/newcomer").json()["liked"] == 3
        assert client.post("/v1/recommend", json={"history": ["00001", "00002"]}).status_code == 200
        keeper = client.app.state.keeper  # type: ignore[attr-defined]
        assert keeper.thread.service._index.holds("newcomer")


def test_a_page_of_another_site_asks_for_nothing(served: Path) -> None:
    with client_of(served) as client:
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
            assert client.post("/v1/reload", headers=headers).status_code == 403
            assert client.post("/forget", data={"user": "u"}, headers=headers).status_code == 403
        rebound = client.get("/v1/items", params={"q": "a"}, headers={"host": "evil.example"})
        assert rebound.status_code == 400


def test_faulty_forms_are_told(served: Path) -> None:
    with client_of(served) as client:
        assert client.post("/rate", data={"user": "u"}).status_code == 422
        assert client.post("/rate", data={"user": "\x01", "item": "00001"}).status_code == 422
        assert client.get("/why", params={"item": "00001", "history": "00001", "left_out": -1}).status_code == 422
        lone = '{"history": ["00001"], "filters": {"\\ud800": "x"}}'
        headers = {"content-type": "application/json"}
        assert client.post("/v1/recommend", content=lone, headers=headers).status_code == 422


def holders(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.parent.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_keys_open_what_their_scopes_say(served: Path, tmp_path: Path) -> None:
    made = {scope: new_key(scope, [scope]) for scope in ("read", "write", "admin")}
    file = tmp_path / "keys"
    file.write_text("# who may come\n" + "\n".join(line for _, line in made.values()), encoding="utf-8")
    assert not [key for key, _ in made.values() if key in file.read_text(encoding="utf-8")]
    score, user = {"history": ["00001"], "items": ["00002"]}, users_of(served)[0]
    with client_of(served, read_keys(file)) as client:

        def status(scope: str | None, method: str, path: str, **given: Any) -> int:
            headers = {} if scope is None else {"X-API-Key": made[scope][0]}
            return client.request(method, path, headers=headers, **given).status_code

        assert [status(one, "POST", "/v1/score", json=score) for one in (None, "read", "write")] == [401, 200, 403]
        assert [status(one, "GET", f"/v1/users/{user}") for one in ("read", "write", "admin")] == [403, 403, 200]
        assert [status(one, "DELETE", "/v1/users/nobody") for one in ("read", "write", "admin")] == [403, 403, 404]
        assert status("read", "POST", "/v1/behaviours", json={"interactions": []}) == 403
        assert status(None, "GET", "/livez") == 200
        wrong = client.post("/v1/score", json=score, headers={"X-API-Key": "sr_guess"})
        assert wrong.headers["content-type"] == "application/problem+json"
        assert wrong.headers["www-authenticate"].startswith("ApiKey")


def test_a_caller_who_asks_too_often_waits(served: Path) -> None:
    with client_of(served, requests_per_minute=3) as client:
        answers = [client.get("/v1/items", params={"q": "a"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_faults_of_requests_are_told_with_field_and_remedy(client: TestClient) -> None:
    wrong = client.post("/v1/score", json={"history": ["00001", "none"], "items": ["00002"]})
    assert wrong.status_code == 404
    told = wrong.json()
    assert (told["field"], told["status"]) == ("history", 404)
    assert "'none'" in told["detail"]
    assert "/v1/items" in told["remedy"]
    for body, field in (
        ({"items": ["00001"]}, None),
        ({"history": ["00001"], "items": []}, "items"),
        ({"history": ["00001"], "items": ["00001"] * 501}, "items"),
        ({"history": ["a\x00b"], "items": ["00001"]}, "history.0"),
        ({"history": ["00001"], "items": ["00001"], "colour": 1}, "colour"),
    ):
        answer = client.post("/v1/score", json=body)
        assert (answer.status_code, answer.json().get("field")) == (422, field), body
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.post("/v1/score", content=b"{").status_code == 422
    assert client.get("/nowhere").json()["status"] == 404
    assert client.get("/v1/score").json()["status"] == 405
    assert client.post("/v1/score", content=b" " * 2_000_000).status_code == 413
    assert client.post("/v1/score", content=iter([b" " * 600_000, b" " * 600_000])).status_code == 413


def test_probing_for_a_users_history_finds_nothing(served: Path) -> None:
    """With a key that may read, nothing tells what one user likes, but that it is not recommended again."""
    key, line = new_key("web", ["read"])
    (victim, *_), keys = users_of(served), [Key("web", frozenset(["read"]), line.split(":")[2])]
    liked, all_items = set(liked_by(served, victim)), Run.open(served).item_ids
    with client_of(served, keys) as client:
        client.headers["X-API-Key"] = key
        of_victim = {"user_id": victim}
        for method, path, asked in (
            ("GET", f"/v1/users/{victim}", None),
            ("POST", "/v1/explain", {**of_victim, "item": "00001"}),
            ("POST", "/v1/explain", {**of_victim, "item": "00001", "prompt": True}),
            ("POST", "/v1/recommend", {**of_victim, "explain": True}),
            ("POST", "/v1/score", {**of_victim, "history": ["00001"], "items": ["00002"]}),
            ("POST", "/v1/explain", {**of_victim, "history": ["00001"], "item": "00002"}),
        ):
            assert client.request(method, path, json=asked).status_code == 403
        scored = client.post("/v1/score", json={**of_victim, "items": all_items[:200]}).json()["items"]
        recommended = client.post("/v1/recommend", json={**of_victim, "top_n": 60}).json()["items"]
        own = client.post("/v1/explain", json={"history": ["00001"], "item": "00002"}).json()
    for one in (*scored, *recommended):  # neighbours and verdicts of a stranger are other ones, and would tell
        assert {name: one[name] for name in ("neighbours", "told", "explanation")} == {
            "neighbours": [],
            "told": "",
            "explanation": None,
        }
    assert not liked & {one["item"]["item_id"] for one in recommended}
    titles = {row["item_id"]: row["title"] for row in Run.open(served).items.to_pylist()}
    kinds = {reason["kind"]: reason["titles"] for reason in own["item"]["explanation"]["reasons"]}
    assert kinds["title"] == [titles["00001"]]  # theirs who asks


def test_meters_say_what_was_done(client: TestClient) -> None:
    asked = {"history": ["00001"], "items": ["00004", "00005"]}
    client.post("/v1/score", json=asked)
    client.post("/v1/score", json=asked)
    told = client.get("/metrics").text
    assert 'scorerec_requests_total{route="/v1/score",status="200"}' in told
    values = dict(line.rsplit(" ", 1) for line in told.splitlines() if not line.startswith("#"))
    assert float(values["scorerec_score_cache_hits_total"]) >= 2
    assert float(values["scorerec_tokens_total"]) > 0
    assert float(values['scorerec_stage_seconds_count{stage="lm"}']) > 0
    assert client.get("/readyz").json() == {"status": "ok"}


def test_single_raters_are_not_told_of(experiment: Any, tmp_path: Path) -> None:
    made = experiment.run(tmp_path, 'evidence.forms=["shared"]', *SMALL, "name=shared")
    folder = made.root / made.config.folder_name
    with pytest.raises(ConfigError, match=r"has 'shared', which tells what single raters thought"):
        Service.load(folder, ServeConfig())
    Service.load(folder, ServeConfig(min_users=1)).close()


def test_a_run_that_was_made_anew_takes_over_and_a_worse_one_does_not(folder: Path, experiment: Any) -> None:
    with client_of(folder, reload_seconds=3600) as client:
        before = client.post("/v1/score", json={"history": ["00001"], "items": ["00002"]}).json()["versions"]["model"]
        assert client.post("/v1/reload").status_code == 204
        experiment.run(folder.parent, FORMS, *SMALL, "name=served", "llm.learning_rate=0.002")
        assert client.post("/v1/reload").status_code == 204
        after = client.post("/v1/score", json={"history": ["00001"], "items": ["00002"]}).json()["versions"]["model"]
        assert after != before
        run = Run.open(folder)
        scores = run.artifact("scores-score")
        table = scores.path / "scores" / "part-00000.parquet"
        shutil.copy(Run.open(folder).artifact("scores-llm").path / "scores" / "part-00000.parquet", table)
        refused = client.post("/v1/reload")
        assert refused.status_code == 409
        assert client.post("/v1/score", json={"history": ["00001"], "items": ["00002"]}).status_code == 200
        told = client.get("/metrics").text
        assert 'scorerec_reloads_total{outcome="refused"} 1.0' in told


def test_pages_work_without_a_script(folder: Path) -> None:
    user = users_of(folder)[0]
    with client_of(folder) as client:
        client.headers["accept"] = "text/html"
        assert "For whom?" in client.get("/").text
        found = client.get("/", params={"q": "the", "history": ["00001"]})
        assert "remove" in found.text
        shown = client.get("/recommendations", params={"user": user})
        assert shown.text.count('class="card"') == 8
        assert shown.headers["content-security-policy"].startswith("default-src 'self'")
        why = client.get("/why", params={"user": user, "item": "00002", "left_out": [0]})
        assert "instead of" in why.text
        assert "The exact prompt" in why.text
        rated = client.post(
            "/rate", data={"user": user, "item": "00004", "liked": "1"}, headers={"sec-fetch-site": "same-origin"}
        )
        assert rated.status_code == 200
        assert str(rated.url).endswith(f"/recommendations?user={user}")
        assert (
            client.post(
                "/rate", data={"user": user, "item": "00004"}, headers={"sec-fetch-site": "cross-site"}
            ).status_code
            == 403
        )
        assert "Behaviours" in client.get("/operator").text
        assert "/v1/score" in client.get("/docs").text
        gone = client.post("/forget", data={"user": user})
        assert "rows went" in gone.text
        missing = client.get("/recommendations", params={"user": user})
        assert (missing.status_code, "Nothing is known of a user" in missing.text) == (404, True)


def test_titles_are_shown_as_text(folder: Path) -> None:
    """Whatever a catalogue holds stands on pages as text."""
    with client_of(folder) as client:
        found = client.get("/", params={"q": "<script>alert(1)</script>"}, headers={"accept": "text/html"})
        assert "<script>alert" not in found.text
        assert "&lt;script&gt;" in found.text


def test_pages_need_a_key_where_there_are_some(served: Path) -> None:
    key, line = new_key("web", ["read"])
    with client_of(served, [Key("web", frozenset(["read"]), line.split(":")[2])]) as client:
        client.headers["accept"] = "text/html"
        assert "API key" in client.get("/").text
        assert client.post("/enter", data={"key": "sr_guess"}, follow_redirects=False).status_code == 303
        assert "For whom?" in client.post("/enter", data={"key": key}).text
        shown = client.get("/recommendations", params={"user": users_of(served)[0]}).text
        assert "Why?" not in shown
        assert "ratings are known" not in shown
        assert client.get("/operator").status_code == 403


def test_recommendations_for_a_file_of_users_go_on_where_they_stopped(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_BLOCK", 2)
    names = users_of(served)[:5]
    file, out, config = tmp_path / "users.csv", tmp_path / "recs.parquet", ServeConfig(min_users=2)
    file.write_text("user_id\n" + "\n".join(names), encoding="utf-8")
    whole = batch.recommend_all(served, file, 3, out, config)
    assert (whole.users, whole.rows, whole.kept) == (5, 15, 0)
    table = pq.read_table(out).to_pylist()
    assert [(row["user_id"], row["rank"]) for row in table] == [(name, rank) for name in names for rank in (1, 2, 3)]
    asked: list[int] = []
    recommend = Service.recommend

    def failing(self: Service, wishes: Any) -> Any:
        asked.append(len(wishes))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return recommend(self, wishes)

    monkeypatch.setattr(Service, "recommend", failing)
    again = tmp_path / "again.parquet"
    with pytest.raises(KeyboardInterrupt):
        batch.recommend_all(served, file, 3, again, config)
    assert not again.exists()
    assert batch.recommend_all(served, file, 3, again, config).kept == 1
    assert asked == [2, 2, 2, 1]
    assert pq.read_table(again).equals(pq.read_table(out))
    file.write_text("nobody\n", encoding="utf-8")
    with pytest.raises(DataError, match="nothing is known of a user 'nobody'"):
        batch.recommend_all(served, file, 3, again, config)


def test_the_command_line_explains_and_makes_keys(
    served: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["scorerec", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    told = printed("explain", str(served), "--user", users_of(served)[0], "--item", "00002")
    assert {one["kind"] for one in told["reasons"]} >= {"title", "told"}
    assert told["in_words"]
    made = printed("serve-key", "web", "--scope", "read")
    assert made["line"].startswith("web:read:")
    assert made["key"] not in made["line"]


def test_others_than_this_machine_need_keys() -> None:
    require_keys("127.0.0.1", [])
    require_keys("localhost", [])
    with pytest.raises(ConfigError, match=r"--host 0.0.0.0 can be reached from elsewhere, and no API keys are set"):
        require_keys("0.0.0.0", [])
    require_keys("0.0.0.0", read_keys(None, {ENVIRONMENT: new_key("web", ["read"])[1]}))
    with pytest.raises(ConfigError, match=r"key 1: wanted NAME:SCOPES:HASH"):
        read_keys(None, {ENVIRONMENT: "secret"})


class Process:
    """`scorerec serve` as it is started by hand."""

    def __init__(self, folder: Path, *options: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-c", "from scorerec.cli import main; main()", "serve", str(folder)]
        command += ["--port", str(self.port), "--set", "serve.min_users=2", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        start_new_session=True)  # fmt: skip
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(self.process.communicate(timeout=5)[0])

    def end(self, number: int) -> int:
        self.client.close()
        os.killpg(self.process.pid, number)  # its workers, too
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.mark.skipif(os.name == "nt", reason="kills a process as POSIX does")
def test_an_acknowledged_write_survives_a_kill_and_sigterm_finishes_what_runs(folder: Path) -> None:
    first = Process(folder)
    rows = {"interactions": [{"user_id": "newcomer", "item_id": "00001"}]}
    assert first.client.post("/v1/behaviours", json=rows).status_code == 200
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second = Process(folder)
    assert second.client.get("/v1/users/newcomer").json()["liked"] == 1
    asked = {"history": ["00001"], "items": [f"{number:05d}" for number in range(1, 200)]}
    answers: list[int] = []
    address = str(second.client.base_url)
    thread = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{address}/v1/score", json=asked, timeout=60).status_code)
    )
    thread.start()
    time.sleep(0.1)
    assert second.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    thread.join()
    assert answers == [200]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills processes as POSIX does")
def test_several_processes_know_the_same(folder: Path) -> None:
    served = Process(folder, "--workers", "2")
    rows = {"interactions": [{"user_id": "newcomer", "item_id": "00001"}]}
    assert served.client.post("/v1/behaviours", json=rows).status_code == 200
    for _ in range(10):  # whichever of the two answers
        with httpx.Client(base_url=served.client.base_url, timeout=30) as fresh:
            assert fresh.get("/v1/users/newcomer").json()["liked"] == 1
    told = served.client.get("/metrics").text
    values = dict(line.rsplit(" ", 1) for line in told.splitlines() if not line.startswith("#"))
    assert float(values['scorerec_requests_total{route="/v1/users/{user_id}",status="200"}']) == 10
    assert served.end(signal.SIGTERM) in (0, -signal.SIGTERM)
