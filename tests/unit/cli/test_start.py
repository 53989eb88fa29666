"""The first command of a new user: two files in, a configuration out that the next command takes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scorerec.cli.start import app
from scorerec.core.errors import ArtifactError, ConfigError, UnclearError
from scorerec.data.prepare import prepare
from scorerec.experiment import complete
from scorerec.experiment.config import load_experiment
from scorerec.experiment.start import read_answers


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder to work in, beside two files as a spreadsheet exports them."""
    rows = [f"u{n % 10};b {n // 10};{n * 7 % 4 * 2 + 3};{n};{1_600_000_000_000 + 1000 * n}" for n in range(100)]
    text = "\r\n".join(["Kunde;Artikel;Stars;Lines;Date", *rows])
    (tmp_path / "ratings.csv").write_bytes(text.encode("utf-8-sig"))
    items = [f'b {n};"Größe; ""{n}""";Drama|War' for n in range(10)]
    (tmp_path / "items.csv").write_bytes("\r\n".join(["Nr;Title;My genres", *items]).encode("utf-16"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def arguments(shop: Path, *more: str) -> list[str]:
    return [str(shop / "ratings.csv"), str(shop / "items.csv"), *more]


def test_what_is_written_can_be_prepared(shop: Path) -> None:
    done = CliRunner().invoke(app, arguments(shop, "--take", "user=Kunde"))
    assert done.exit_code == 0, done.output
    assert "taken: user = Kunde, time = Date, rating = Stars, item = Artikel; times in ms" in done.output
    assert "Written to mine.toml; `scorerec prepare mine.toml` is next" in done.output
    config = load_experiment("mine.toml")
    assert (config.name, config.prompt.domain, config.data.label.threshold) == ("mine", "item", 7)
    assert config.llm == load_experiment("quickstart").llm
    prepared = prepare(config.data)
    assert prepared.notes["parts"]["train"]["rows"] == 80
    assert prepared.items.to_pylist()[0] == {"item_id": "b 0", "title": 'Größe; "0"', "My genres": ["Drama", "War"]}


def test_every_choice_has_its_reason_beside_it(shop: Path) -> None:
    CliRunner().invoke(app, arguments(shop, "--take", "user=Kunde", "--out", "shop.toml"))
    text = Path("shop.toml").read_text(encoding="utf-8")
    settings = tomllib.loads(text)["data"]
    assert settings["path"] == str(shop)
    assert settings["source"]["lists"] == {"My genres": "|"}
    assert settings["source"]["items_encoding"] == "utf-16"
    before = text.split("[data.label]")[0].splitlines()[-1]
    assert before.startswith("# the ratings run from 3 to 9 (4 values); 9 or more: 25.0%, 7 or more: 50.0%")
    assert "# time-fractions: train 80 rows (50% liked)" in text


def test_what_is_unclear_is_asked_at_a_terminal(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorerec.cli.start.can_ask", lambda: True)
    done = CliRunner().invoke(app, arguments(shop), input="Jemand\nKunde\n")
    assert done.exit_code == 0, done.output
    assert done.output.count("which column is the user (Kunde, Lines): ") == 2
    assert load_experiment("mine.toml").data.source.model_dump()["columns"]["user_id"] == "Kunde"


def test_what_is_unclear_is_refused_where_nobody_answers(shop: Path) -> None:
    done = CliRunner().invoke(app, arguments(shop))
    assert isinstance(done.exception, UnclearError)
    assert "Say so: --take user=Kunde or --take user=Lines" in str(done.exception)
    assert not Path("mine.toml").exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [("taken.toml", "is there already"), ("mine.txt", "ends in .toml"), ("my shop.toml", "name: String should match")],
)
def test_a_file_is_never_written_over_nor_misnamed(shop: Path, out: str, message: str) -> None:
    Path("taken.toml").write_text("mine", encoding="utf-8")
    done = CliRunner().invoke(app, arguments(shop, "--take", "user=Kunde", "--out", out))
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)
    assert [path.name for path in Path().iterdir()] == ["taken.toml"]
    assert Path("taken.toml").read_text(encoding="utf-8") == "mine"


def test_a_place_that_cannot_be_written_is_told(shop: Path) -> None:
    Path("file").touch()
    done = CliRunner().invoke(app, arguments(shop, "--take", "user=Kunde", "--out", "file/mine.toml"))
    assert isinstance(done.exception, ArtifactError)


def test_files_in_two_folders_are_named_in_full(shop: Path) -> None:
    (shop / "items.csv").rename(shop / "here" / "items.csv")
    done = CliRunner().invoke(app, [str(shop / "ratings.csv"), "items.csv", "--take", "user=Kunde"])
    assert done.exit_code == 0, done.output
    config = load_experiment("mine.toml")
    assert config.data.path is None
    assert [path.name for path in config.data.files()] == ["ratings.csv", "items.csv"]


@pytest.mark.parametrize("answer", ["user", "user=", "usr=Kunde"])
def test_an_answer_to_no_question_is_refused(answer: str) -> None:
    with pytest.raises(ConfigError, match=r"wanted KEY=VALUE, with one of these keys: separator: .* split: "):
        read_answers([answer])


def test_the_shell_offers_the_answers() -> None:
    assert complete.answers("items-h") == ["items-header="]
