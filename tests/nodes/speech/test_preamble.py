"""The sentence before a tool, decoded out of JSON that is still streaming."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jiter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.speech import preamble
from voicegraph.nodes.speech.preamble import HEARTBEAT, PREAMBLE, PreambleReader

CITY = "city"
texts = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\{}[]:,\n\t\0\u2028é🙂👩‍🚀'), max_size=30
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.just(PREAMBLE),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([PREAMBLE, CITY, ""]), inner, max_size=3)
    ),
    max_leaves=6,
)
keys = st.sampled_from([PREAMBLE, CITY, HEARTBEAT, f" {PREAMBLE}", f'"{PREAMBLE}"']) | texts
arguments = st.dictionaries(keys, values, max_size=4)
arguments_with_text = st.tuples(arguments, texts, arguments).map(
    lambda parts: {**parts[0], PREAMBLE: parts[1], **{k: v for k, v in parts[2].items() if k != PREAMBLE}}
)
cuts = st.lists(st.integers(1, 12), min_size=1, max_size=8)
layouts = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 2}])


def fragments(text: str, sizes: list[int]) -> Iterator[str]:
    """Cut `text` into pieces of these sizes, over and over."""
    start = turn = 0
    while start < len(text):
        size = sizes[turn % len(sizes)]
        yield text[start : start + size]
        start, turn = start + size, turn + 1


def read(arguments_json: str, sizes: list[int]) -> list[str]:
    reader = PreambleReader()
    spoken = [reader.feed(fragment) for fragment in fragments(arguments_json, sizes)]
    reader.close()
    return spoken


@given(arguments | arguments_with_text, cuts, layouts)
def test_the_speech_of_any_fragments_is_the_decoded_preamble(
    tool_arguments: dict[str, Any], sizes: list[int], layout: dict[str, Any]
) -> None:
    said = tool_arguments.get(PREAMBLE)
    expected = said if isinstance(said, str) else ""
    for ascii_only in (True, False):
        arguments_json = json.dumps(tool_arguments, ensure_ascii=ascii_only, **layout)
        for fragmentation in (sizes, [1], [2, 5], [len(arguments_json)]):
            spoken = ""
            for piece in read(arguments_json, fragmentation):
                spoken += piece
                assert expected.startswith(spoken)
            assert spoken == expected


@given(arguments_with_text, cuts)
def test_arguments_that_break_off_give_a_beginning_of_the_preamble(
    tool_arguments: dict[str, Any], sizes: list[int]
) -> None:
    whole = json.dumps(tool_arguments)
    for length in range(0, len(whole), 7):
        assert tool_arguments[PREAMBLE].startswith("".join(read(whole[:length], sizes)))


@given(texts, st.text(max_size=40), cuts)
def test_whatever_follows_the_preamble_is_never_spoken(said: str, rest: str, sizes: list[int]) -> None:
    assert "".join(read(json.dumps({PREAMBLE: said})[:-1] + rest, sizes)) == said


@given(st.text(max_size=60), st.text(max_size=20), cuts)
def test_text_that_is_no_json_is_never_spoken(before: str, after: str, sizes: list[int]) -> None:
    assert "".join(read(f'x{before}"{PREAMBLE}": "Hi."{after}', sizes)) == ""


@pytest.mark.parametrize(
    ("said", "escaped"),
    [
        ("One 🙂 two", r"One \ud83d\ude42 two"),
        ("Tab\there", r"Tab\there"),
        ('Say "hi"', r"Say \"hi\""),
        ("a/b", r"a\/b"),
        ("nul\0", r"nul\u0000"),
        ("é", r"\u00E9"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_escapes_are_decoded_wherever_they_are_cut(said: str, escaped: str) -> None:
    for size in range(1, 8):
        assert "".join(read(f'{{"{PREAMBLE}": "{escaped}", "city": "Rome"}}', [size])) == said


def test_characters_go_out_as_soon_as_they_are_certain() -> None:
    assert read('{"pre_exec_msg": "Let me look.", "city": "Rome"}', [18]) == ["", "Let me look.", ""]
    assert read('{"pre_exec_msg": "Let me', [19, 1]) == ["L", "e", "t me"]


def test_a_lone_surrogate_ends_the_speech_and_never_goes_out() -> None:
    spoken = "".join(read(r'{"pre_exec_msg": "Hm \ud83d then", "city": "Rome"}', [1]))
    assert spoken == "Hm "


@pytest.mark.parametrize(
    "arguments_json",
    [
        '{"pre_exec_msg": "Hi."',
        '{"pre_exec_msg": "", ',
        '{"pre_exec_msg": null',
        '{"pre_exec_msg": 12',
        '{"pre_exec_msg": {"pre_exec_msg": "no"',
        '{"city": "Rome"}',
        '{"city": {"name": "Rome"}}\n',
        "{}",
    ],
)
def test_the_next_call_may_speak_once_nothing_more_can_come(arguments_json: str) -> None:
    reader = PreambleReader()
    for fragment in fragments(arguments_json, [3]):
        reader.feed(fragment)
    assert reader.finished


@pytest.mark.parametrize(
    "arguments_json", ["", "{", '{"city": {"name": "Rome"}', '{"pre_exec_msg"', '{"pre_exec_msg": "Hi']
)
def test_it_is_not_finished_while_more_may_come(arguments_json: str) -> None:
    reader = PreambleReader()
    reader.feed(arguments_json)
    assert not reader.finished
    reader.close()
    assert reader.finished


@pytest.mark.parametrize(
    "tool_arguments",
    [
        {"text": "x" * 100_000, PREAMBLE: "Done."},
        {"text": "x" * 100_000},
        {"rows": [{"n": 1}] * 10_000},
        {PREAMBLE: None, "text": "x" * 100_000},
        {"first": {PREAMBLE: "no"}, "text": "x" * 100_000},
        {PREAMBLE: "Hi.", "text": "x" * 100_000},
    ],
    ids=["preamble last", "no preamble", "many objects", "null", "nested", "preamble first"],
)
def test_long_arguments_in_small_fragments_are_parsed_a_few_times_only(
    tool_arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = 0

    def counting(data: bytes, **options: Any) -> Any:
        nonlocal parsed
        parsed += len(data)
        return jiter.from_json(data, **options)

    monkeypatch.setattr(preamble, "jiter", SimpleNamespace(from_json=counting))
    arguments_json = json.dumps(tool_arguments)
    read(arguments_json, [4])
    assert parsed < 2 * len(arguments_json)


def test_a_model_that_loops_in_blanks_before_the_text_is_not_followed_for_ever() -> None:
    reader = PreambleReader()
    heard = "".join(reader.feed(piece) for piece in ['{"pre_exec_msg":', *" " * 5_000, '"Hm."}'])
    assert (heard, reader.finished) == ("", True)
