"""The pages in a real browser, as people use them; where no Chromium is installed these tests are skipped."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe

from scorerec.experiment.run import Run
from scorerec.serve.config import ServeConfig
from scorerec.serve.http.app import create_app
from scorerec.serve.service import Service

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)")


@pytest.fixture(scope="module")
def folder(outcome: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pages") / "runs"
    shutil.copytree(outcome.root, root)
    return root / outcome.config.folder_name


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    config = ServeConfig(min_users=2, reload_seconds=3600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        app = create_app(Service.load(folder, config), config, [])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [free]})
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{free.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """Yield a page; the test fails where it asked another host, or its console has an error."""
    context = browser.new_context(base_url=address, viewport={"width": 390, "height": 800})
    page, faults = context.new_page(), []
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: request.url.startswith((address, "data:")) or faults.append(request.url))
    yield page
    context.close()
    assert faults == []


def a_user(folder: Path) -> str:
    return str(sorted(Run.open(folder).interactions["user_id"].to_pylist())[0])


def test_a_stranger_is_recommended_by_what_they_liked(page: Any) -> None:
    page.goto("/")
    page.get_by_label("Title").fill("the")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Add").first.click()
    page.get_by_role("button", name="Recommend").last.click()
    assert page.get_by_role("heading", level=1).inner_text() == "Recommended by what they liked"
    assert page.locator(".card").count() == 8


def test_leaving_a_part_out_changes_the_score_at_once(page: Any, folder: Path) -> None:
    page.goto(f"/recommendations?user={a_user(folder)}")
    page.get_by_role("link", name="Why?").first.click()
    status = page.get_by_role("status")
    status.wait_for()
    assert "Probability of Yes" in status.inner_text()
    box = page.get_by_role("checkbox").last
    box.focus()
    page.keyboard.press("Space")
    page.get_by_text("Without what is left out").wait_for()
    assert page.evaluate("document.activeElement.type") == "checkbox"  # the keyboard goes on from where it was
    page.get_by_text("The exact prompt").click()
    assert "The user has" in page.locator("pre").inner_text()


def test_a_rating_changes_the_list_and_a_user_is_forgotten(page: Any, folder: Path) -> None:
    user = a_user(folder)
    page.goto(f"/recommendations?user={user}")
    first = page.locator(".card h2").first.inner_text()
    page.locator(".card").first.get_by_role("button", name="Liked it").click()
    page.wait_for_load_state()
    assert first not in page.locator(".card h2").all_inner_texts()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=f"Forget user {user}").click()
    page.get_by_role("heading", name="Forgotten").wait_for()


@pytest.mark.parametrize(
    "path", ["/", "/?q=the", "/recommendations?history=00001&history=00002", "/operator", "/docs", "/enter"]
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_have_names_for_everything(page: Any, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("h1").count() == 1
    found = Axe().run(page).response["violations"]
    serious = [one["id"] for one in found if one["impact"] in ("serious", "critical")]
    assert serious == [], json.dumps(found)[:2000]
