"""What documents name must exist: a table from equations to code is worth nothing once it is out of date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES, TESTS = ROOT / "src" / "scorerec", ROOT / "tests"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAPER = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")


def defines(path: Path, name: str) -> bool:
    """Whether the last part of ``Class.name`` is defined in a module, the class included."""
    text = path.read_text(encoding="utf-8")
    return all(re.search(rf"^\s*(?:def|class)\s+{part}\b|^{part}\b\s*[:=]", text, re.M) for part in name.split("."))


def test_code_that_the_paper_page_names_is_there():
    named = re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", PAPER)
    assert len(named) > 20
    missing = [
        f"{path}: {name}"
        for path, names in named
        for name in re.findall(r"`([\w.]+)`", names)
        if not (SOURCES / path).is_file() or not defines(SOURCES / path, name)
    ]
    assert not missing


def test_tests_that_the_paper_page_names_are_there():
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAPER)
    assert len(named) > 20
    missing = [
        f"{path}::{name}" for path, name in named if not (TESTS / path).is_file() or not defines(TESTS / path, name)
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert not [link for link in links if link and not (page.parent / link).exists()]
