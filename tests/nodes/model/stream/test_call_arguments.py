"""The arguments of a call, as servers deform them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.model.stream.call_arguments import call_arguments
from voicegraph.nodes.model.stream.call_assembly import GatheredCall

ROME = '{"city": "Rome"}'


@pytest.mark.parametrize(
    "text",
    [
        ROME,
        "{}" + ROME,
        "null" + ROME,
        "{} {} " + ROME,
        ROME + ROME,
        ROME + "\n" + '{"city":"Rome"}',
        json.dumps(ROME),
        json.dumps(json.dumps(ROME)),
        ROME + json.dumps(ROME),
        f"```json\n{ROME}\n```",
        f"```\n{ROME}```",
        ROME + "}",
        ROME + "<|im_end|>",
        ROME + "</tool_call>",
        r"{\"city\": \"Rome\"}",
    ],
)
def test_whole_arguments_are_found(text: str) -> None:
    assert call_arguments(text) == {"city": "Rome"}


@pytest.mark.parametrize("text", ["", " ", "null", "{}", "{}{}", "[]", '"{}"', '"null"', '""', "{}null"])
def test_no_arguments_are_an_empty_object(text: str) -> None:
    assert call_arguments(text) == {}


@pytest.mark.parametrize("break_", ["\n", "\t", "\r\n", "\x00"])
def test_line_breaks_may_stand_within_strings(break_: str) -> None:
    assert call_arguments(f'{{"text": "one{break_}two"}}') == {"text": f"one{break_}two"}


@pytest.mark.parametrize(
    "text",
    [
        *('{"city": "Ro', '{"city": Rome}', '["Rome"]', '"Rome"', "Rome", "3", "true", "[1]"),
        *('{"a": 1}{"a": 2}', '{"a": NaN}', '{"a": Infinity}{}', r'{"a": "\ud83d"}', "{'a': 1}"),
        *('{"a": 1} and so on', "[" * 100_000, '{"a":' * 100_000),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_json_object_stays_none(text: str) -> None:
    assert call_arguments(text) is None
    assert not is_whole(text)


def is_whole(text: str) -> bool:
    return GatheredCall(arguments=text).is_whole


def are_same(text: str, other: str) -> bool:
    return GatheredCall(arguments=text).has_same(GatheredCall(arguments=other).own())


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=6), values, max_size=4), st.booleans(), st.booleans())
def test_any_object_survives_what_servers_do(value: dict[str, object], twice: bool, first: bool) -> None:
    text = json.dumps(value)
    deformed = ("{}" if first else "") + (json.dumps(text) if twice else text)
    assert call_arguments(deformed) == value
    assert is_whole(text)


@given(st.dictionaries(st.text(max_size=6), values, min_size=1, max_size=3), st.integers(1, 60))
def test_a_part_of_the_arguments_is_not_whole(value: dict[str, object], size: int) -> None:
    text = json.dumps(value)
    assert not is_whole(text[: min(size, len(text) - 1)])


def test_the_announcement_makes_no_difference_between_calls() -> None:
    assert are_same('{"pre_exec_msg": "One.", "a": 1}', '{"a": 1, "pre_exec_msg": "Two."}')
    assert not are_same('{"a": 1}', '{"a": 2}')
    assert not are_same("[", "[")


@given(st.integers(), st.integers(1 << 64, 1 << 400), st.booleans())
def test_integers_over_64_bits_are_kept_as_their_digits(small: int, large: int, negative: bool) -> None:
    large = -large if negative else large
    found = call_arguments(json.dumps({"account": large, "others": [large, {"x": small}], "flag": True}))
    assert found == {"account": str(large), "others": [str(large), {"x": plain(small)}], "flag": True}


def plain(number: int) -> int | str:
    return number if number.bit_length() <= 63 else str(number)
