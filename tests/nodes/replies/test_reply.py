"""One reply in the making: what is spoken of it while it comes, and the message that it becomes."""

import asyncio
import json
from typing import Any

import pytest
from ear import Ear
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.model.stream.delta import CallFragment, Delta
from voicegraph.nodes.replies.reply import BAD_ARGUMENTS, CREATED_AT, SPOKEN, Reply
from voicegraph.nodes.speech.preamble import PREAMBLE
from voicegraph.nodes.turn.events import Speech
from voicegraph.state.usage import Usage

sentences = st.text('aé🙂"\\{}:,', min_size=1, max_size=12) | st.sampled_from(["Let me look.", "Rome first."])
arguments = st.fixed_dictionaries({"city": st.text(max_size=8)}, optional={PREAMBLE: sentences})
reordered = arguments.flatmap(lambda given: st.permutations(list(given.items())).map(dict))


def fragment(index: int, arguments: str = "", id: str | None = None, name: str | None = None) -> Delta:
    return Delta(calls=(CallFragment(index, id, name, arguments),))


def call(
    index: int, arguments: str, id: str | None = "call_1", name: str | None = "get_weather"
) -> list[Delta]:
    """Return a call as OpenAI streams it: id and name first, then the arguments in small pieces."""
    pieces = [arguments[start : start + 3] for start in range(0, len(arguments), 3)]
    return [fragment(index, "", id, name), *(fragment(index, piece) for piece in pieces)]


async def made(ear: Ear, *deltas: Delta) -> Reply:
    reply = Reply(await ear.listen())
    for delta in deltas:
        await reply.feed(delta)
    await reply.close()
    return reply


def arguments_of(reply: Reply) -> list[dict[str, Any]]:
    return [call["args"] for call in reply.message("m", 1.0, ()).tool_calls]


async def test_text_is_spoken_as_it_comes_and_kept(ear: Ear) -> None:
    reply = await made(ear, Delta(text="Hel"), Delta(text="lo. "), Delta(finish_reason="stop"))
    assert [event.content for event in ear.events if isinstance(event, Speech)] == ["Hel", "lo. "]
    message = reply.message("openai:m", 12.5, ())
    assert message.text == "Hello."
    assert message.id == reply.id
    assert message.response_metadata == {"model": "openai:m", "finish_reason": "stop"}
    assert message.additional_kwargs == {CREATED_AT: 12.5}
    assert not reply.has_calls


@pytest.mark.parametrize(
    ("pieces", "spoken"),
    [
        (["Hi \ud83d", "\ude42!"], "Hi 🙂!"),
        (["\ud83d\ude42"], "🙂"),
        (["Hi \ud83d", "there"], "Hi \ufffdthere"),
        (["Hi", "\ude42"], "Hi\ufffd"),
        (["Hi \ud83d"], "Hi \ufffd"),
    ],
)
async def test_a_character_that_comes_in_halves_is_spoken_whole(
    ear: Ear, pieces: list[str], spoken: str
) -> None:
    reply = await made(ear, *(Delta(text=piece) for piece in pieces))
    assert ear.heard == reply.message("m", 1.0, ()).text == spoken


async def test_usage_and_finish_reason_come_in_chunks_of_their_own(ear: Ear) -> None:
    usage = Usage(input_tokens=7, output_tokens=3, cached_tokens=2)
    reply = await made(ear, Delta(text="Hi."), Delta(finish_reason="length"), Delta(usage=usage))
    assert reply.finish_reason == "length"
    assert reply.usage == usage
    assert reply.message("m", 1.0, ()).usage_metadata == {
        "input_tokens": 7,
        "output_tokens": 3,
        "total_tokens": 10,
    }


async def test_the_preamble_of_a_call_is_spoken_and_stays_in_its_arguments(ear: Ear) -> None:
    reply = await made(ear, *call(0, '{"pre_exec_msg": "Let me look.", "city": "Rome"}'))
    assert ear.heard == "Let me look."
    message = reply.message("m", 1.0, ())
    assert message.text == ""
    assert message.additional_kwargs[SPOKEN] == "Let me look."
    assert message.tool_calls[0]["args"] == {"pre_exec_msg": "Let me look.", "city": "Rome"}


async def test_the_preamble_goes_out_before_the_arguments_end(ear: Ear) -> None:
    reply = Reply(await ear.listen())
    await reply.feed(fragment(0, '{"pre_exec_msg": "Let me', "call_1", "get_weather"))
    assert ear.heard == "Let me"


async def test_text_preamble_and_text_are_parted_by_blanks(ear: Ear) -> None:
    one = call(0, '{"pre_exec_msg": "Let me look."}')
    reply = await made(ear, Delta(text="Sure."), *one, Delta(text="There."))
    assert ear.heard == reply.said == "Sure. Let me look. There."
    message = reply.message("m", 1.0, ())
    assert message.text == "Sure. There."
    assert message.additional_kwargs[SPOKEN] == "Sure. Let me look. There."


async def test_calls_that_come_by_turns_are_spoken_one_after_the_other(ear: Ear) -> None:
    rome = call(0, '{"pre_exec_msg": "Rome first.", "city": "Rome"}', "call_1")
    oslo = call(1, '{"pre_exec_msg": "Then Oslo.", "city": "Oslo"}', "call_2")
    reply = await made(ear, *(delta for pair in zip(rome, oslo, strict=False) for delta in pair), rome[-1])
    assert ear.heard == "Rome first. Then Oslo."
    assert [known["id"] for known in reply.message("m", 1.0, ()).tool_calls] == ["call_1", "call_2"]


@pytest.mark.parametrize(
    "first", ["{}", '{"city": "Rome"}', '{"pre_exec_msg": ""}', '{"pre_exec_msg": null}', "["]
)
async def test_a_call_without_preamble_holds_up_no_other(ear: Ear, first: str) -> None:
    second = call(1, '{"pre_exec_msg": "Then Oslo."}', "call_2")
    await made(ear, *call(0, first), *second)
    assert ear.heard == "Then Oslo."


async def test_calls_are_spoken_whole_even_when_their_indexes_come_in_reverse(ear: Ear) -> None:
    await made(
        ear,
        *call(1, '{"pre_exec_msg": "Rome first."}', "call_1"),
        *call(0, '{"pre_exec_msg": "Then Oslo."}', "call_2"),
    )
    assert ear.heard == "Rome first. Then Oslo."


@given(st.data(), st.lists(reordered, min_size=1, max_size=3), st.booleans())
def test_any_interleaving_speaks_each_preamble_whole_and_in_order(
    new_ear: type[Ear], data: st.DataObject, each: list[dict[str, Any]], ascii_only: bool
) -> None:
    ear = new_ear()
    queues = [call(i, json.dumps(one, ensure_ascii=ascii_only), f"call_{i}") for i, one in enumerate(each)]
    deltas, begun = [Delta(text="So.")], 0
    while any(queues):
        ready = [i for i, queue in enumerate(queues) if queue and i <= begun]
        index = data.draw(st.sampled_from(ready))
        begun = max(begun, index + 1)
        deltas.append(queues[index].pop(0))
    reply = asyncio.run(made(ear, *deltas))
    assert ear.heard == " ".join(["So.", *(one[PREAMBLE] for one in each if one.get(PREAMBLE))])
    assert arguments_of(reply) == each


async def test_id_and_name_that_come_with_each_fragment_count_once(ear: Ear) -> None:
    pieces = ['{"city"', ': "Rome"}']
    reply = await made(ear, *(fragment(0, piece, "call_1", "get_weather") for piece in pieces))
    (known,) = reply.message("m", 1.0, ()).tool_calls
    assert (known["id"], known["name"], known["args"]) == ("call_1", "get_weather", {"city": "Rome"})


async def test_missing_ids_and_those_of_earlier_replies_become_new_ones(ear: Ear) -> None:
    ids = ["call_1", None, "", "call_9", "call_2"]
    pieces = [fragment(index, f'{{"city": {index}}}', id, "now") for index, id in enumerate(ids)]
    reply = await made(ear, *pieces)
    known = [str(known["id"]) for known in reply.message("m", 1.0, {"call_9"}).tool_calls]
    assert len(set(known)) == len(ids)
    assert all(known)
    assert (known[0], known[4]) == ("call_1", "call_2")
    assert "call_9" not in known


async def test_a_call_that_comes_again_is_spoken_once_and_made_once(ear: Ear) -> None:
    arguments = '{"pre_exec_msg": "One moment.", "euros": 100}'
    reply = await made(ear, *call(0, arguments, "one"), *call(1, arguments, "one"), *call(2, "{}", "two"))
    assert ear.heard == "One moment."
    assert [known["id"] for known in reply.message("m", 1.0, ()).tool_calls] == ["one", "two"]


async def test_two_calls_that_share_an_id_are_both_made(ear: Ear) -> None:
    rome = call(0, '{"pre_exec_msg": "Rome first.", "city": "Rome"}', "one")
    oslo = call(1, '{"pre_exec_msg": "Then Oslo.", "city": "Oslo"}', "one")
    reply = await made(ear, *rome, *oslo)
    assert ear.heard == "Rome first. Then Oslo."
    assert len({known["id"] for known in reply.message("m", 1.0, ()).tool_calls}) == 2


async def test_the_preamble_is_spoken_once_when_the_arguments_come_after_a_place_holder(ear: Ear) -> None:
    reply = await made(
        ear,
        fragment(0, "{}", "one", "weather"),
        *[fragment(0, piece) for piece in ('{"pre_exec_msg": "Let me', ' look.", "city": "Rome"}')],
    )
    assert ear.heard == "Let me look."
    assert arguments_of(reply) == [{"pre_exec_msg": "Let me look.", "city": "Rome"}]


async def test_the_preamble_of_arguments_that_are_encoded_twice_is_spoken_before_the_tool_runs(
    ear: Ear,
) -> None:
    inner = json.dumps({"pre_exec_msg": "Let me look.", "city": "Rome"})
    reply = await made(ear, Delta(text="Sure."), *call(0, json.dumps(inner)))
    assert ear.heard == "Sure. Let me look."
    assert arguments_of(reply) == [json.loads(inner)]


async def test_a_preamble_with_a_raw_line_break_is_spoken_whole(ear: Ear) -> None:
    await made(ear, *call(0, '{"pre_exec_msg": "Let me\nlook.", "city": "Rome"}'))
    assert ear.heard == "Let me\nlook."


async def test_thoughts_in_a_preamble_are_not_spoken(ear: Ear) -> None:
    await made(ear, *call(0, '{"pre_exec_msg": "<think>hm</think>Let me look.<|im_end|>"}'))
    assert ear.heard == "Let me look."


async def test_words_after_a_finish_reason_are_noted(ear: Ear) -> None:
    reply = await made(ear, Delta("One.", finish_reason="stop"), Delta(usage=None), Delta(" "))
    assert not reply.went_on
    await reply.feed(Delta(" Two."))
    assert reply.went_on


async def test_a_filter_stays_the_reason_whatever_comes_after_it(ear: Ear) -> None:
    reply = await made(ear, Delta(finish_reason="content_filter"), Delta(finish_reason="stop"))
    assert reply.finish_reason == "content_filter"


async def test_a_call_without_a_name_gets_one_that_no_tool_has(ear: Ear) -> None:
    reply = await made(ear, fragment(0, "{}", "call_1"))
    assert reply.message("m", 1.0, ()).tool_calls[0]["name"] == "unnamed"


@pytest.mark.parametrize(
    "bad",
    [
        '{"city": "Ro',
        '{"city": Rome}',
        '["Rome"]',
        '"Rome"',
        '{"a": 1}{"a": 2}',
        '{"a": NaN}',
        r'{"a": "\ud83d"}',
        '{"a": ' + "[" * 100_000,
    ],
    ids=lambda bad: bad[:20],
)
async def test_arguments_that_are_no_json_object_are_marked_as_bad(ear: Ear, bad: str) -> None:
    reply = await made(ear, fragment(0, "{}", "call_1", "now"), fragment(1, bad, "call_2", "now"))
    message = reply.message("m", 1.0, ())
    assert [known["args"] for known in message.tool_calls] == [{}, {}]
    assert message.additional_kwargs[BAD_ARGUMENTS] == ["call_2"]
    assert ear.heard == ""


@pytest.mark.parametrize("empty", ["", "  ", "{}", "null"])
async def test_no_arguments_are_an_empty_object(ear: Ear, empty: str) -> None:
    message = (await made(ear, fragment(0, empty, "call_1", "now"))).message("m", 1.0, ())
    assert message.tool_calls[0]["args"] == {}
    assert BAD_ARGUMENTS not in message.additional_kwargs


async def test_the_preamble_is_spoken_even_when_the_arguments_break_off(ear: Ear) -> None:
    await made(ear, *call(0, '{"pre_exec_msg": "Let me look.", "city": "Ro'))
    assert ear.heard == "Let me look."


async def test_a_reply_that_was_cut_off_keeps_its_words_and_no_call(ear: Ear) -> None:
    reply = await made(ear, Delta(text="Sure."), *call(0, '{"pre_exec_msg": "Let me'))
    message = reply.spoken_message("m", 1.0)
    assert message is not None
    assert message.text == "Sure. Let me"
    assert message.tool_calls == []
    assert SPOKEN not in message.additional_kwargs


async def test_a_reply_of_which_nothing_was_spoken_is_no_message(ear: Ear) -> None:
    reply = await made(ear, Delta(text=" ", thinking=True), *call(0, '{"city": "Rome"}'))
    assert reply.spoken_message("m", 1.0) is None


async def test_a_sentence_of_ours_ends_the_reply(ear: Ear) -> None:
    reply = await made(ear, Delta(text="I think"))
    await reply.add_sentence("Sorry, I lost my thread.")
    assert ear.heard == "I think Sorry, I lost my thread."
    message = reply.spoken_message("m", 1.0)
    assert message is not None
    assert message.text == "I think Sorry, I lost my thread."


async def test_a_filler_counts_as_spoken_but_is_no_word_of_the_reply(ear: Ear) -> None:
    reply = Reply(await ear.listen())
    await ear.speaker.fill("One moment.")
    await reply.feed(Delta(text="Hello."))
    await reply.close()
    message = reply.message("m", 1.0, ())
    assert message.text == reply.said.strip() == "Hello."
    assert message.additional_kwargs[SPOKEN] == "One moment. Hello."


async def test_words_of_an_earlier_step_are_not_this_replys(ear: Ear) -> None:
    speaker = await ear.listen()
    await speaker.say("Let me look.")
    reply = await made(ear, Delta(text="Sunny."))
    assert ear.heard == "Let me look. Sunny."
    assert reply.message("m", 1.0, ()).text == "Sunny."
    assert SPOKEN not in reply.message("m", 1.0, ()).additional_kwargs
