"""Large integers, which a checkpoint holds as their digits, reach the tool as integers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.tools.arguments import definitions_of, restore_integers

ACCOUNT = 123456789012345678901
INTEGER: Any = {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "restored"),
    [
        (INTEGER, ACCOUNT),
        ({"type": "number"}, ACCOUNT),
        ({"type": ["integer", "null"]}, ACCOUNT),
        ({"anyOf": [INTEGER, {"type": "null"}]}, ACCOUNT),
        ({"$ref": "#/$defs/Account"}, ACCOUNT),
        ({"type": "string"}, str(ACCOUNT)),
        ({"anyOf": [INTEGER, {"type": "string"}]}, str(ACCOUNT)),
        ({"type": ["integer", "string"]}, str(ACCOUNT)),
        ({}, str(ACCOUNT)),
        (None, str(ACCOUNT)),
        ({"type": 7}, str(ACCOUNT)),
    ],
)
def test_digits_become_an_integer_where_the_schema_takes_no_text(schema: Any, restored: Any) -> None:
    root = {"type": "object", "properties": {"a": schema, "b": {"type": "array", "items": schema}}}
    given = {"a": str(ACCOUNT), "b": [str(ACCOUNT)], "c": str(ACCOUNT)}
    expected = {"a": restored, "b": [restored], "c": str(ACCOUNT)}
    assert restore_integers(given, root, {"Account": INTEGER}) == expected


@pytest.mark.parametrize(
    "text", ["123", "0123456789012345678901", "12345678901234567890.5", "1" * 2_000, "one"]
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert restore_integers({"a": text}, {"properties": {"a": INTEGER}}) == {"a": text}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just(str(ACCOUNT)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(values, values)
def test_whatever_the_schema_nothing_raises(value: Any, schema: Any) -> None:
    restore_integers(value, schema, {"a": schema, **definitions_of(schema)})


def test_the_definitions_of_a_schema_are_found_under_both_names() -> None:
    assert definitions_of({"definitions": {"A": 1}, "$defs": {"B": 2}}) == {"A": 1, "B": 2}
    assert definitions_of({"definitions": [], "$defs": None}) == {}
