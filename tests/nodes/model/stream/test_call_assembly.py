"""Which fragments of a stream make one tool call, on servers that number, name and repeat them oddly."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.model.stream.call_arguments import call_arguments
from voicegraph.nodes.model.stream.call_assembly import CallAssembly
from voicegraph.nodes.model.stream.delta import CallFragment

OFFERED = ("get_weather", "transfer", "now")
ROME, OSLO = '{"city": "Rome"}', '{"city": "Oslo"}'

Sent = tuple[int | None, str | None, str | None, str]


def calls(*chunks: Sent | list[Sent], whole: bool = False) -> list[tuple[str, Any]]:
    """Return name and arguments of the calls that the chunks make; the last may be a whole message."""
    assembly = CallAssembly(OFFERED)
    for number, chunk in enumerate(chunks):
        assembly.begin_chunk()
        for index, call_id, name, arguments in chunk if isinstance(chunk, list) else [chunk]:
            last = whole and number == len(chunks) - 1
            assembly.add(CallFragment(index, call_id, name, arguments), whole=last)
    assembly.end()
    return [(call.name, call_arguments(call.arguments)) for call in assembly.calls]


WEATHER = "get_weather"
IN_ROME, IN_OSLO = (WEATHER, {"city": "Rome"}), (WEATHER, {"city": "Oslo"})
ONE_CALL: dict[str, list[Sent | list[Sent]]] = {
    "in one fragment": [(0, "a", WEATHER, ROME)],
    "as OpenAI streams it": [(0, "a", WEATHER, ""), (0, None, None, '{"city"'), (0, None, None, ': "Rome"}')],
    "id on each fragment": [(0, "a", WEATHER, ""), (0, "a", None, '{"city"'), (0, "a", None, ': "Rome"}')],
    "id and name on each fragment": [(0, "a", WEATHER, '{"city"'), (0, "a", WEATHER, ': "Rome"}')],
    "name on each fragment": [(0, None, WEATHER, '{"city"'), (0, None, WEATHER, ': "Rome"}')],
    "another id on each fragment": [
        (0, "a", WEATHER, ""),
        (0, "b", None, '{"city"'),
        (0, "c", None, ': "Rome"}'),
    ],
    "another id and the name on each": [(0, "a", WEATHER, '{"city"'), (0, "b", WEATHER, ': "Rome"}')],
    "another id after an empty fragment": [(0, "a", WEATHER, ""), (0, "b", WEATHER, ROME)],
    "the id later": [(0, None, WEATHER, '{"city"'), (0, "a", None, ': "Rome"}')],
    "the name later": [(0, "a", None, '{"city"'), (0, None, None, ': "Rome"}'), (0, None, WEATHER, "")],
    "the name in pieces": [(0, "a", "get_", ""), (0, None, "weather", ""), (0, None, None, ROME)],
    "the name cumulatively": [(0, None, "get", ""), (0, None, "get_weather", ""), (0, None, None, ROME)],
    "no index": [(None, "a", WEATHER, '{"city"'), (None, None, None, ': "Rome"}')],
    "neither index nor id": [(None, None, WEATHER, '{"city"'), (None, None, None, ': "Rome"}')],
    "an index that counts chunks": [
        (0, "a", WEATHER, ""),
        (1, None, None, '{"city"'),
        (2, None, None, ': "Rome"}'),
    ],
    "an index that counts chunks, with the id": [
        *((0, "a", WEATHER, '{"city"'), (1, "a", None, ": "), (2, "a", WEATHER, '"Rome"}')),
    ],
    "an index that counts from 5": [(5, "a", WEATHER, '{"city"'), (5, None, None, ': "Rome"}')],
    "cumulative arguments": [
        *((0, "a", WEATHER, "{"), (0, None, None, '{"city": "Ro'), (0, None, None, ROME)),
    ],
    "an empty object first": [
        (0, "a", WEATHER, "{}"),
        (0, None, None, '{"city"'),
        (0, None, None, ': "Rome"}'),
    ],
    "an empty object first, without an id": [(0, None, WEATHER, "{}"), (0, None, WEATHER, ROME)],
    "an empty object first, with id and name again": [(0, "a", WEATHER, "{}"), (0, "a", WEATHER, ROME)],
    "null first": [(0, "a", WEATHER, "null"), (0, None, None, ROME)],
    "again under another index": [(0, "a", WEATHER, ROME), (1, "a", WEATHER, ROME)],
    "again under another index, in fragments": [
        *(
            (0, "a", WEATHER, ROME),
            (1, "a", WEATHER, ""),
            (1, None, None, '{"city"'),
            (1, None, None, ': "Rome"}'),
        ),
    ],
    "again, encoded": [(0, "a", WEATHER, ROME), (0, "a", WEATHER, json.dumps(ROME))],
    "again, with other blanks": [(0, "a", WEATHER, ROME), (1, "a", WEATHER, '{"city":"Rome"}')],
    "again, cut off": [(0, "a", WEATHER, ROME), (1, "a", WEATHER, '{"ci')],
    "its opening again": [(0, "a", WEATHER, ROME), (0, "a", WEATHER, "")],
    "its opening under another index": [(0, "a", WEATHER, ""), (1, "a", WEATHER, ""), (1, None, None, ROME)],
    "again without an id": [(0, None, WEATHER, ROME), (0, None, WEATHER, ROME)],
    "again without index and id": [(None, None, WEATHER, ROME), (None, None, WEATHER, ROME)],
    "again, then without its id": [(0, "a", WEATHER, ROME), (0, None, WEATHER, ROME)],
    "a summary without a name": [(0, "a", WEATHER, ROME), (0, None, None, json.dumps(ROME))],
    "a summary under a new index": [(0, "a", WEATHER, ROME), (1, None, None, ROME)],
    "an empty fragment at the end": [(0, "a", WEATHER, ROME), (1, None, None, "")],
    "a call without a name and anything in it": [(0, "a", WEATHER, ROME), (1, None, "", "{}")],
}
TWO_CALLS: dict[str, list[Sent | list[Sent]]] = {
    "as OpenAI streams them": [(0, "a", WEATHER, ""), (0, None, None, ROME), (1, "b", WEATHER, OSLO)],
    "interleaved": [
        *(
            (0, "a", WEATHER, ""),
            (1, "b", WEATHER, ""),
            (0, None, None, '{"city"'),
            (1, None, None, '{"city"'),
        ),
        *((0, None, None, ': "Rome"}'), (1, None, None, ': "Oslo"}')),
    ],
    "all at index 0": [
        (0, "a", WEATHER, ""),
        (0, None, None, ROME),
        (0, "b", WEATHER, ""),
        (0, None, None, OSLO),
    ],
    "all at index 0, without ids": [(0, None, WEATHER, ROME), (0, None, WEATHER, OSLO)],
    "all at index 0, without ids, in fragments": [
        *((0, None, WEATHER, ""), (0, None, None, '{"city"'), (0, None, None, ': "Rome"}')),
        *((0, None, WEATHER, ""), (0, None, None, '{"city"'), (0, None, None, ': "Oslo"}')),
    ],
    "in one chunk at index 0": [[(0, None, WEATHER, ROME), (0, None, WEATHER, OSLO)]],
    "in one chunk without an index": [[(None, None, WEATHER, ROME), (None, None, WEATHER, OSLO)]],
    "without an index": [(None, "a", WEATHER, ROME), (None, "b", WEATHER, OSLO)],
    "without index and ids": [(None, None, WEATHER, ROME), (None, None, WEATHER, OSLO)],
    "indexes from 1, with a gap": [(1, "a", WEATHER, ROME), (3, "b", WEATHER, OSLO)],
    "under one id": [(0, "a", WEATHER, ROME), (1, "a", WEATHER, OSLO)],
    "under one id, in fragments": [
        *((0, "a", WEATHER, ""), (0, None, None, ROME), (1, "a", WEATHER, ""), (1, None, None, OSLO)),
    ],
    "both again": [
        [(0, None, WEATHER, ROME), (1, None, WEATHER, OSLO)],
        [(0, None, WEATHER, ROME), (1, None, WEATHER, OSLO)],
    ],
    "both again with their ids": [
        *((0, "a", WEATHER, ROME), (1, "b", WEATHER, OSLO), (2, "a", WEATHER, ROME), (3, "b", WEATHER, OSLO)),
    ],
}


@pytest.mark.parametrize("form", ONE_CALL)
def test_one_call_stays_one(form: str) -> None:
    assert calls(*ONE_CALL[form]) == [IN_ROME]


@pytest.mark.parametrize("form", TWO_CALLS)
def test_two_calls_stay_two(form: str) -> None:
    assert calls(*TWO_CALLS[form]) == [IN_ROME, IN_OSLO]


def test_calls_of_different_tools_without_arguments_stay_apart() -> None:
    assert calls((0, None, "now", ""), (0, None, WEATHER, ROME)) == [("now", {}), IN_ROME]
    assert calls((0, "a", "now", "{}"), (0, "b", WEATHER, ROME)) == [("now", {}), IN_ROME]
    assert calls((0, "a", "now", "{}"), (1, "a", WEATHER, ROME)) == [("now", {}), IN_ROME]


def test_the_same_call_twice_in_one_chunk_was_meant_twice() -> None:
    assert calls([(0, "a", "now", "{}"), (1, "b", "now", "{}")]) == [("now", {})] * 2


def test_broken_arguments_stay_a_call_of_their_own() -> None:
    assert calls((0, "a", WEATHER, '{"city": }'), (0, "b", WEATHER, ROME)) == [(WEATHER, None), IN_ROME]
    assert calls((0, None, WEATHER, ROME), (1, None, WEATHER, '{"city": }')) == [IN_ROME, (WEATHER, None)]


@pytest.mark.parametrize("call_id", ["a", "other", None])
def test_a_whole_message_at_the_end_repeats_its_calls(call_id: str | None) -> None:
    end: list[Sent] = [(None, call_id, WEATHER, ROME)]
    assert calls((0, "a", WEATHER, '{"city"'), (0, None, None, ': "Rome"}'), end, whole=True) == [IN_ROME]


def test_a_whole_message_at_the_end_adds_what_was_missing() -> None:
    assert calls([(None, "a", WEATHER, ROME), (None, "b", WEATHER, OSLO)], whole=True) == [IN_ROME, IN_OSLO]
    missing: list[Sent] = [(None, "a", WEATHER, ROME), (None, "b", WEATHER, OSLO)]
    assert calls((0, "a", WEATHER, ROME), missing, whole=True) == [IN_ROME, IN_OSLO]
    assert calls((0, "a", WEATHER, '{"ci'), [(None, "a", WEATHER, ROME)], whole=True) == [IN_ROME]


def test_fields_of_a_call_are_merged() -> None:
    assembly = CallAssembly()
    signed = {"extra_content": {"google": {"thought_signature": "abc"}}}
    assembly.add(CallFragment(0, "a", WEATHER, "", signed))
    assembly.add(CallFragment(0, None, None, ROME, {"extra_content": {}, "other": 1}))
    (call,) = assembly.calls
    assert call.extras == {**signed, "other": 1}


made = st.lists(
    st.tuples(
        st.sampled_from(OFFERED), st.dictionaries(st.text("ab", max_size=2), st.integers(0, 99), min_size=1)
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda call: json.dumps(call),
)


@given(st.data(), made)
def test_calls_in_any_legal_form_are_those_that_were_made(
    data: st.DataObject, each: list[tuple[str, dict[str, int]]]
) -> None:
    has_ids = data.draw(st.booleans())
    indexes = data.draw(st.sampled_from(["right", "zero", "none"]))
    repeated = data.draw(st.sampled_from(["never", "id", "name", "both"]))
    chunks: list[Sent] = []
    for place, (name, arguments) in enumerate(each):
        text = json.dumps(arguments)
        cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=4)))
        texts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        index = {"right": place, "zero": 0, "none": None}[indexes]
        call_id = f"call_{place}" if has_ids else None
        opening = data.draw(st.booleans())
        for number, piece in enumerate(["", *texts] if opening else texts):
            shown_id = call_id if number == 0 or repeated in ("id", "both") else None
            shown_name = name if number == 0 or repeated in ("name", "both") else None
            chunks.append((index, shown_id, shown_name, piece))
        if data.draw(st.booleans()):
            chunks.append((index, call_id, name, text))
    assert calls(*chunks) == each
