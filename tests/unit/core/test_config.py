"""Settings say which key is wrong and what is allowed."""

import pytest

from scorerec.core.config import Config, read_toml, validate, with_overrides
from scorerec.core.errors import ConfigError


class Inner(Config):
    epochs: int = 3


class Outer(Config):
    crm: Inner = Inner()
    name: str = "x"


def test_overrides_reach_inner_keys_and_leave_the_source_alone():
    source = {"crm": {"epochs": 1}}
    assert validate(Outer, with_overrides(source, ["crm.epochs=5", "name=a b"]), "test").crm.epochs == 5
    assert source == {"crm": {"epochs": 1}}


@pytest.mark.parametrize("override", ["crm.epochs", "=3", ".a=1"])
def test_an_override_without_key_or_value_is_refused(override):
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        with_overrides({}, [override])


def test_an_override_cannot_go_through_a_value():
    with pytest.raises(ConfigError, match="single value"):
        with_overrides({"name": "x"}, ["name.first=y"])


def test_an_unknown_key_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"preset: crm\.epoch: no such setting; known here: epochs"):
        validate(Outer, {"crm": {"epoch": 3}}, "preset")


def test_a_wrong_type_is_named_with_its_value():
    with pytest.raises(ConfigError, match=r"crm\.epochs: .*got 'many'"):
        validate(Outer, {"crm": {"epochs": "many"}}, "preset")


def test_files_that_are_missing_or_not_toml(tmp_path):
    with pytest.raises(ConfigError, match="no such configuration file"):
        read_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = [", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a TOML file"):
        read_toml(tmp_path / "bad.toml")
