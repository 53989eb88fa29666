"""What is shipped to run a service holds together: no image is built here, its parts must be there all the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KNOWN = {"FROM", "WORKDIR", "ENV", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_is_slim_and_runs_as_nobody_in_particular() -> None:
    found = instructions()
    assert {word for word, _ in found} <= KNOWN
    bases = [rest for word, rest in found if word == "FROM"]
    assert all("-slim" in base and ":latest" not in base for base in bases)
    last = max(place for place, (word, _) in enumerate(found) if word == "FROM")
    of_image = found[last:]
    (user,) = [rest for word, rest in of_image if word == "USER"]
    assert user not in ("root", "0")
    assert any(word == "HEALTHCHECK" and "/readyz" in rest for word, rest in of_image)
    assert not [rest for word, rest in found if word == "RUN" and "sudo" in rest]


def test_what_the_image_copies_is_there() -> None:
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    assert copied
    assert not [name for names in copied for name in names if not (ROOT / name).exists()]
    (installed,) = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    extras = re.search(r"\[(.*?)\]", installed)
    assert extras is not None
    known = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"\n{extra} = [" in known for extra in extras.group(1).split(","))


def test_the_services_of_the_compose_file_are_closed_to_others() -> None:
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert set(services) == {"scorerec", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for one in services.values() for port in one["ports"])
    assert ":?" in services["scorerec"]["environment"]["SCOREREC_SERVE_KEYS"]  # refused without keys
    assert (DEPLOY / services["scorerec"]["build"]["context"] / services["scorerec"]["build"]["dockerfile"]).is_file()
    scraped = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text(encoding="utf-8"))
    assert scraped["scrape_configs"][0]["static_configs"] == [{"targets": ["scorerec:8000"]}]


@pytest.mark.parametrize("script", sorted(DEPLOY.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_shell(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
