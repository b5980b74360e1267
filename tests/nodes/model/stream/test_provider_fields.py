"""A provider's own fields: merged over the stream, kept as plain data with the reply, never spoken."""

import json
from typing import Any

import pytest
from ear import Ear

from voicegraph.nodes.model.stream.delta import CallFragment, Delta
from voicegraph.nodes.model.stream.provider_fields import LONGEST, PROVIDER, ProviderFields
from voicegraph.nodes.replies.reply import Reply


def merged(*pieces: dict[str, Any]) -> Any:
    fields = ProviderFields()
    for piece in pieces:
        fields.add(piece)
    data = fields.data("m")
    return None if data is None else data["message"]


def blocks(*pieces: dict[str, Any]) -> Any:
    fields = ProviderFields()
    for piece in pieces:
        fields.add(None, (piece,))
    data = fields.data("m")
    return None if data is None else data["blocks"]


def test_reasoning_that_comes_in_pieces_is_joined() -> None:
    assert merged({"reasoning_content": "He asks "}, {"reasoning_content": "the time."}) == {
        "reasoning_content": "He asks the time."
    }


def test_a_field_that_comes_whole_twice_is_kept_once() -> None:
    signed = {"extra_content": {"google": {"thought_signature": "abc"}}}
    assert merged(signed, signed) == signed


def test_reasoning_details_are_merged_by_type_and_index() -> None:
    pieces = [
        {"type": "reasoning.text", "text": "He ", "index": 0, "format": "x"},
        {"type": "reasoning.text", "text": "asks.", "index": 0, "signature": None},
        {"type": "reasoning.text", "signature": "abc", "index": 0},
        {"type": "reasoning.encrypted", "data": "zzz", "index": 1},
    ]
    assert merged(*({"reasoning_details": [piece]} for piece in pieces)) == {
        "reasoning_details": [
            {
                "type": "reasoning.text",
                "text": "He asks.",
                "index": 0,
                "format": "x",
                "signature": "abc",
            },
            {"type": "reasoning.encrypted", "data": "zzz", "index": 1},
        ]
    }


def test_details_without_an_index_are_joined_when_they_follow_each_other() -> None:
    details = [{"type": "reasoning.text", "text": text} for text in ("He ", "asks.")]
    hidden = [{"type": "reasoning.encrypted", "data": data} for data in ("one", "two")]
    assert merged(*({"reasoning_details": [piece]} for piece in [*details, *hidden])) == {
        "reasoning_details": [{"type": "reasoning.text", "text": "He asks."}, *hidden]
    }


def test_a_thinking_block_keeps_its_signature() -> None:
    assert blocks(
        {"type": "thinking", "thinking": "He ", "index": 0},
        {"type": "thinking", "thinking": "asks.", "index": 0},
        {"type": "thinking", "signature": "abc", "index": 0},
        {"type": "redacted_thinking", "data": "zzz", "index": 1},
    ) == [
        {"type": "thinking", "thinking": "He asks.", "signature": "abc", "index": 0},
        {"type": "redacted_thinking", "data": "zzz", "index": 1},
    ]


def test_summaries_within_a_block_are_merged_by_their_index() -> None:
    def piece(text: str, index: int) -> dict[str, Any]:
        return {
            "type": "reasoning",
            "id": "rs_1",
            "index": 0,
            "summary": [{"type": "summary_text", "text": text, "index": index}],
        }

    (block,) = blocks(piece("One", 0), piece(" two.", 0), piece("Three.", 1))
    assert [part["text"] for part in block["summary"]] == ["One two.", "Three."]


@pytest.mark.parametrize("odd", [float("nan"), object(), {1: object()}, b"bytes", 1 << 80])
def test_what_json_cannot_hold_is_left_out(odd: Any) -> None:
    assert json.dumps(merged({"odd": odd, "other": "kept"})) in (
        '{"other": "kept"}',
        '{"odd": {}, "other": "kept"}',
    )


def test_a_character_that_came_in_halves_is_kept_whole() -> None:
    assert merged({"reasoning": "\ud83d"}, {"reasoning": "\ude42"}) == {"reasoning": "🙂"}


def test_too_much_reasoning_is_left_out_and_signatures_stay() -> None:
    fields = ProviderFields()
    for _ in range(30):
        fields.add({"reasoning_content": "x" * (LONGEST // 20), "extra_content": {"signature": "abc"}})
    fields.add(None, ({"type": "thinking", "thinking": "y", "signature": "def"},))
    data = fields.data("m", {"call_1": {"extra_content": {"signature": "ghi"}}})
    assert data == {
        "model": "m",
        "message": {"extra_content": {"signature": "abc"}},
        "blocks": [{"type": "thinking", "signature": "def"}],
        "calls": {"call_1": {"extra_content": {"signature": "ghi"}}},
    }
    fields.add({"extra_content": {"signature": "z" * (LONGEST + 1)}})
    assert fields.data("m") is None


async def reply_of(ear: Ear, *deltas: Delta) -> Reply:
    reply = Reply(await ear.listen())
    for delta in deltas:
        await reply.feed(delta)
    return reply


CALL = CallFragment(0, "call_1", "now", "{}", {"extra_content": {"google": {"thought_signature": "abc"}}})
THOUGHT = Delta(thinking=True, extras={"reasoning_content": "hm "})


async def test_fields_stay_with_the_message_and_are_not_spoken(ear: Ear) -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "abc"}
    reply = await reply_of(ear, THOUGHT, THOUGHT, Delta(blocks=(block,)), Delta(calls=(CALL,)))
    await reply.close()
    message = reply.message("deepseek", 1.0, ())
    assert message.additional_kwargs[PROVIDER] == {
        "model": "deepseek",
        "message": {"reasoning_content": "hm hm "},
        "blocks": [block],
        "calls": {"call_1": CALL.extras},
    }
    assert ear.heard == message.text == ""


async def test_fields_of_a_call_follow_it_to_its_new_id(ear: Ear) -> None:
    reply = await reply_of(ear, Delta(calls=(CALL,)))
    message = reply.message("m", 1.0, {"call_1"})
    (call,) = message.tool_calls
    assert message.additional_kwargs[PROVIDER]["calls"] == {call["id"]: CALL.extras}


async def test_a_spoken_reply_keeps_the_fields_of_the_message(ear: Ear) -> None:
    reply = await reply_of(ear, THOUGHT, Delta("Noon."))
    cut_off = reply.spoken_message("m", 1.0)
    await reply.close()
    whole = reply.spoken_message("m", 1.0)
    assert cut_off is not None
    assert whole is not None
    assert PROVIDER not in cut_off.additional_kwargs
    assert whole.additional_kwargs[PROVIDER] == {"model": "m", "message": {"reasoning_content": "hm "}}


async def test_a_reply_without_such_fields_has_no_key_for_them(ear: Ear) -> None:
    reply = await reply_of(ear, Delta("Noon."))
    await reply.close()
    assert PROVIDER not in reply.message("m", 1.0, ()).additional_kwargs
