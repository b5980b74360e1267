"""What the deltas of one stream mean together, whoever sent them."""

import pytest

from voicegraph.nodes.model.stream.delta import CallFragment, Delta
from voicegraph.nodes.model.stream.stream_reading import Reading

ROME = CallFragment(0, "a", "get_weather", '{"city": "Rome"}')
WRITTEN = '<tool_call>{"name": "get_weather", "arguments": {"city": "Rome"}}</tool_call>'


def read(*deltas: Delta, thoughts_first: bool = False) -> list[Delta]:
    reading = Reading(["get_weather"], thoughts_first=thoughts_first)
    meant = [meaning for delta in deltas for meaning in reading.read(delta)]
    rest = reading.close()
    return meant if rest is None else [*meant, rest]


def spoken(*deltas: Delta, thoughts_first: bool = False) -> str:
    return "".join(delta.text for delta in read(*deltas, thoughts_first=thoughts_first))


def test_an_ordinary_delta_stays_as_it_is() -> None:
    sent = [Delta("It is"), Delta(" noon."), Delta(finish_reason="stop"), Delta(calls=(ROME,))]
    assert all(meant is delta for meant, delta in zip(read(*sent), sent, strict=True))


def test_a_thought_shows_that_the_model_is_at_work() -> None:
    meant = read(Delta("<think>"), Delta("hm"), Delta("</think>"), Delta("Noon."))
    assert [(delta.text, delta.thinking, delta.begins) for delta in meant] == [
        *(("", True, False), ("", True, False), ("", True, False), ("Noon.", False, True)),
    ]


def test_text_that_waits_shows_it_too() -> None:
    assert [delta.thinking for delta in read(Delta("No"), Delta("Noon"), Delta("Noon is"))] == [
        *(False, True, False),
    ]


def test_a_blank_is_no_word_yet() -> None:
    assert not Delta("\n\n").begins
    assert Delta(" a").begins


@pytest.mark.parametrize("whole", ["Your table is booked.", "\nYour table is booked.", "Something else."])
def test_a_whole_message_after_its_pieces_is_not_spoken_again(whole: str) -> None:
    assert spoken(Delta("Your table"), Delta(" is booked."), Delta(whole, whole=True)) == (
        "Your table is booked."
    )


def test_a_whole_message_adds_what_the_pieces_lacked() -> None:
    assert spoken(Delta("Your table"), Delta("Your table is booked.", whole=True)) == "Your table is booked."
    assert spoken(Delta("Your table is booked.", whole=True)) == "Your table is booked."
    assert spoken(Delta("<think>hm"), Delta("Noon.", whole=True)) == "Noon."
    assert spoken(Delta("<think>hm</think>"), Delta("<think>hm</think>Noon.", whole=True)) == "Noon."


def test_a_whole_message_after_cumulative_pieces_is_not_spoken_again() -> None:
    pieces = ["Your", "Your table", "Your table is"]
    end = Delta("Your table is booked.", whole=True)
    assert spoken(*map(Delta, pieces), end) == spoken(*map(Delta, pieces[:2]), end) == end.text


def test_thoughts_may_come_cumulatively() -> None:
    pieces = ["<think>", "<think>hm", "<think>hm</think>Noon", "<think>hm</think>Noon it is."]
    assert spoken(*map(Delta, pieces)) == "Noon it is."


def test_a_call_that_is_written_as_text_is_made_at_the_end() -> None:
    *_, last = read(Delta("Let me look. "), Delta(WRITTEN), Delta(finish_reason="stop"))
    (call,) = last.calls
    assert (call.name, call.arguments) == ("get_weather", '{"city":"Rome"}')


def test_a_written_call_beside_a_real_one_is_left_out() -> None:
    meant = read(Delta(WRITTEN), Delta(calls=(ROME,)))
    assert [call for delta in meant for call in delta.calls] == [ROME]


def test_a_written_call_of_a_tool_that_is_not_offered_is_nothing() -> None:
    meant = read(Delta(WRITTEN.replace("get_weather", "fly")))
    assert not any(delta.text or delta.calls for delta in meant)


def test_words_are_held_back_when_the_template_opens_the_thoughts() -> None:
    assert spoken(Delta("hm"), Delta("</think>Noon."), thoughts_first=True) == "Noon."
    assert spoken(Delta("hm"), thoughts_first=True) == ""


def test_nothing_is_held_back_when_thoughts_come_in_a_field_of_their_own() -> None:
    assert spoken(Delta(thinking=True), Delta("Noon."), thoughts_first=True) == "Noon."


BARE = '{"name": "get_weather", "parameters": {"city": "Rome"}}'


@pytest.mark.parametrize("text", [BARE, f"[{BARE}]", f"```json\n{BARE}\n```", f"\n {BARE}"])
@pytest.mark.parametrize("size", [1, 7, 200])
def test_a_reply_that_is_nothing_but_a_call_in_json_is_one(text: str, size: int) -> None:
    pieces = [Delta(text[start : start + size]) for start in range(0, len(text), size)]
    assert spoken(*pieces) == ""
    (call,) = read(*pieces)[-1].calls
    assert (call.name, call.arguments) == ("get_weather", '{"city":"Rome"}')
    assert spoken(*pieces, Delta(calls=(ROME,))) == ""
    assert spoken(*pieces, Delta(text, whole=True)) == ""


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ada", "age": 36}',
        '{"x": 1}',
        "[laughs] Hi",
        "[1] One",
        '{"name": "get_weather"',
        "{}",
        "`a`",
    ],
)
def test_any_other_reply_in_json_is_spoken(text: str) -> None:
    assert spoken(*map(Delta, text)) == text


def test_other_json_waits_no_longer_than_its_first_words() -> None:
    assert [delta.text for delta in read(Delta('{"name": "Ad'), Delta('a", '), Delta("x"))] == [
        *("", '{"name": "Ada", ', "x"),
    ]
