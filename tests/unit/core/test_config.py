"""Settings say which key is wrong and what is allowed."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

from scorerec.core.config import Config, read_toml, validate, with_overrides
from scorerec.core.errors import ConfigError


class Inner(Config):
    epochs: int = 3


class Square(Config):
    shape: Literal["square"] = "square"
    side: float = 1
    inner: Inner = Inner()


class Circle(Config):
    shape: Literal["circle"] = "circle"


class Outer(Config):
    crm: Inner = Inner()
    name: str = "x"
    figure: Annotated[Square | Circle, Field(discriminator="shape")] = Square()
    months: tuple[int, int] = (1, 2)


def test_overrides_reach_inner_keys_and_leave_the_source_alone():
    source = {"crm": {"epochs": 1}}
    assert validate(Outer, with_overrides(source, ["crm.epochs=5", "name=a b"]), "test").crm.epochs == 5
    assert source == {"crm": {"epochs": 1}}


@pytest.mark.parametrize("override", ["crm.epochs", "=3", ".a=1"])
def test_an_override_without_key_or_value_is_refused(override):
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        with_overrides({}, [override])


def test_an_override_cannot_go_through_a_value():
    with pytest.raises(ConfigError, match=r"'name' is a single value .* here 'x'; give all parts at once: name=\{"):
        with_overrides({"name": "x"}, ["name.first=y"])


def test_an_unknown_key_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"preset: crm\.epoch: no such setting; known here: epochs"):
        validate(Outer, {"crm": {"epoch": 3}}, "preset")


def test_what_belongs_to_the_top_is_sent_there():
    with pytest.raises(ConfigError, match=r"crm\.figure: no such setting; figure is set once, at the top"):
        validate(Outer, {"crm": {"figure": 1}}, "preset")


def test_a_wrong_type_is_named_with_its_value():
    with pytest.raises(ConfigError, match=r"crm\.epochs: .*got 'many'"):
        validate(Outer, {"crm": {"epochs": "many"}}, "preset")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"figure": {"shape": "square", "sides": 2}}, "figure.sides: no such setting; known here: inner, shape, side"),
        ({"figure": {"shape": "square", "inner": {"x": 2}}}, "figure.inner.x: no such setting; known here: epochs"),
        ({"figure": {"shape": "square", "side": "a"}}, "figure.side: Input should be a valid number"),
        ({"figure": {"side": 1}}, "figure: 'shape' should be one of 'square', 'circle' (got {'side': 1})"),
        ({"figure": {"shape": "cube"}}, "does not match any of the expected tags: 'square', 'circle'"),
        ({"months": [1, "May"]}, "months.1: Input should be a valid integer"),
        ({"crm": 3}, "crm: Input should be a valid dictionary"),
        ([], "settings: Input should be a valid dictionary"),
    ],
)
def test_a_fault_is_named_by_the_keys_that_stand_in_the_file(settings, message):
    with pytest.raises(ConfigError) as caught:
        validate(Outer, settings, "preset")
    assert message in str(caught.value)


def test_files_that_are_missing_or_not_toml(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(tmp_path / "a\0b")
    with pytest.raises(ConfigError, match="no such configuration file"):
        read_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = [", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a TOML file"):
        read_toml(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    ("settings", "meant"),
    [
        ({"crm": {"epoch": 3}}, "known here: epochs; did you mean crm.epochs?"),
        ({"figur": {"side": 3}}, "; did you mean figure?"),
        ({"epochs": 3}, "; did you mean crm.epochs or figure.inner.epochs?"),  # a section was forgotten
        ({"sid": 3}, "; did you mean figure.side?"),
    ],
)
def test_an_unknown_key_is_answered_with_what_may_be_meant(settings, meant):
    with pytest.raises(ConfigError) as caught:
        validate(Outer, settings, "preset")
    assert str(caught.value).endswith(meant)


def test_nothing_is_suggested_for_a_key_that_is_like_none():
    with pytest.raises(ConfigError) as caught:
        validate(Outer, {"zzz": 3}, "preset")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("crm.epoch=3", "crm.epoch: no such setting"),
        ("crm.epochs=many", "crm.epochs: Input should be a valid integer"),
        ("figure={shape='square', side='a'}", "figure.side: Input should be a valid number"),
        ("figur.side=3", "figur: no such setting"),
    ],
)
def test_the_override_at_fault_is_named_and_not_the_file(override, fault):
    overrides = ["name=y", override, "figure.shape=square"] if "figure=" not in override else ["name=y", override]
    with pytest.raises(ConfigError) as caught:
        validate(Outer, with_overrides({}, overrides), "mine.toml", overrides)
    assert str(caught.value).startswith(f"--set {override!r}: {fault}")
    assert "mine.toml" not in str(caught.value)


def test_a_fault_of_the_file_stays_the_files_beside_one_of_an_override():
    overrides = ["crm.epochs=many"]
    with pytest.raises(ConfigError) as caught:
        validate(Outer, with_overrides({"nmae": "x"}, overrides), "mine.toml", overrides)
    assert "--set 'crm.epochs=many': crm.epochs: " in str(caught.value)
    assert "; mine.toml: nmae: no such setting" in str(caught.value)
