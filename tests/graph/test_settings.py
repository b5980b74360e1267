"""Settings as containers and shells hand them over: empty, switched off, wrong."""

from typing import Any, get_args

import pytest

from voicegraph.graph import Settings
from voicegraph.graph.settings import load_settings
from voicegraph.state.errors import InvalidSetting

FIELDS = Settings.model_fields
OPTIONAL = [name for name, field in FIELDS.items() if type(None) in get_args(field.annotation)]
NUMBERS = [
    name for name, field in FIELDS.items() if {int, float} & {field.annotation, *get_args(field.annotation)}
]
LISTS = ["fallback_models", "allowed_tools"]


def variable(name: str) -> str:
    return f"VOICEGRAPH_{name.upper()}"


@pytest.mark.parametrize("empty", ["", "  ", "\r"])
@pytest.mark.parametrize("name", FIELDS)
def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, name: str, empty: str) -> None:
    monkeypatch.setenv(variable(name), empty)
    assert load_settings() == Settings()


@pytest.mark.parametrize("off", ["none", "off", "None", "OFF", " none\n"])
@pytest.mark.parametrize("name", OPTIONAL)
def test_every_optional_setting_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, name: str, off: str
) -> None:
    monkeypatch.setenv(variable(name), off)
    assert getattr(load_settings(), name) is None


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_json_or_switched_off(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(variable(name), '["a:b", "c:d"]')
    assert getattr(load_settings(), name) == ("a:b", "c:d")
    monkeypatch.setenv(variable(name), "off")
    assert getattr(load_settings(), name) == ()
    monkeypatch.setenv(variable(name), "a:b")
    with pytest.raises(InvalidSetting, match=f"^{variable(name)} is wrong: write a list as JSON"):
        load_settings()


@pytest.mark.parametrize("wrong", ["secret", "-5", "1,5", "inf"])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_wrong_number_names_its_variable_and_not_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, wrong: str
) -> None:
    monkeypatch.setenv(variable(name), wrong)
    with pytest.raises(InvalidSetting, match=f"^{variable(name)} is wrong: ") as refused:
        load_settings()
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)
    assert ("none switches it off" in str(refused.value)) == (name in OPTIONAL)


def test_a_number_may_stand_among_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGRAPH_HEDGE_AFTER", " 1.5\r\n")
    monkeypatch.setenv("voicegraph_max_steps", "3")
    settings = load_settings()
    assert (settings.hedge_after, settings.max_steps) == (1.5, 3)


def test_two_settings_that_do_not_fit_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGRAPH_MESSAGE_BUFFER_MIN", "60")
    with pytest.raises(InvalidSetting) as refused:
        load_settings()
    assert str(refused.value) == (
        "VOICEGRAPH_MESSAGE_BUFFER_MIN must be smaller than VOICEGRAPH_MESSAGE_BUFFER_LIMIT"
    )


def test_a_value_that_was_given_in_code_is_called_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGRAPH_MAX_STEPS", "3")
    given: Any = {"max_steps": 0}
    with pytest.raises(InvalidSetting, match="^max_steps is wrong: "):
        load_settings(**given)
