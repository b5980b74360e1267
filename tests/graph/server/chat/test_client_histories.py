"""Histories in all the forms in which clients send them: all that they hold reaches the model."""

import json
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from open_voice import OpenVoice
from openai_server import OpenAIServer
from served_app import Serve

from voicegraph.graph import build_graph
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state.errors import InvalidMessage

URL = "/v1/chat/completions"
Message = dict[str, Any]


def user(content: Any, **fields: Any) -> Message:
    return {"role": "user", "content": content, **fields}


def called(*ids: Any, name: str = "f") -> Message:
    """Return a reply that calls a tool under these ids."""
    calls = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps({"n": n})}}
        for n, id_ in enumerate(ids)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id_: Any, content: Any) -> Message:
    return {"role": "tool", "tool_call_id": id_, "content": content}


async def sent(serve: Serve, backend: OpenAIServer, *messages: Message, **settings: Any) -> list[Message]:
    """Return what the model is sent for a history, without the system prompt."""
    async with serve("openai:m", **settings) as served, served.client() as client:
        body = {"messages": messages, "thread_id": "t"}
        answer = await client.post(URL, content=json.dumps(body))
        assert answer.json()["choices"][0]["message"]["content"] == "Hello."
    return backend.requests[-1].messages[1:]


LONG = "call_" + "x" * 60
PAIRS: dict[str, tuple[Message, list[Message]]] = {
    "a long id": (called(LONG), [result(LONG, "0")]),
    "two long ids": (called(LONG, LONG + "y"), [result(LONG + "y", "1"), result(LONG, "0")]),
    "an empty id": (called(""), [result("", "0")]),
    "several empty ids": (called("", "", ""), [result("", "0"), result("", "1"), result("", "2")]),
    "no id at all": (called(None), [{"role": "tool", "content": "0"}]),
    "an id in another script": (called("вызов-1"), [result("вызов-1", "0")]),
    "an id that is a number": (called(7), [result(7, "0")]),
    "half a character": (called("c\ud83d"), [result("c\ud83d", "0")]),
    "the same id twice in a reply": (called("c", "c"), [result("c", "0"), result("c", "1")]),
    "another id than the call's": (called("c1"), [result("x9", "0")]),
}


@pytest.mark.parametrize(("call", "results"), PAIRS.values(), ids=PAIRS)
async def test_a_result_stays_with_its_call_whatever_its_id(
    serve: Serve, backend: OpenAIServer, call: Message, results: list[Message]
) -> None:
    _, made, *told = (await sent(serve, backend, user("Go."), call, *results, user("And?")))[:-1]
    by_id = {message["tool_call_id"]: message["content"] for message in told}
    assert len(by_id) == len(results)
    for one in made["tool_calls"]:
        assert by_id[one["id"]] == str(json.loads(one["function"]["arguments"])["n"])


async def test_a_reply_that_numbers_its_calls_from_zero_again_keeps_both_results(
    serve: Serve, backend: OpenAIServer
) -> None:
    first, second = [called("call_0"), result("call_0", "one")], [called("call_0"), result("call_0", "two")]
    messages = await sent(serve, backend, user("Go."), *first, user("Again."), *second, user("And?"))
    assert [message["content"] for message in messages if message["role"] == "tool"] == ["one", "two"]


async def test_an_id_that_was_changed_stays_the_same_with_the_next_request(serve: Serve) -> None:
    model = ScriptedChatModel(["Wait.", "Done."])
    history = [user("Go."), called(LONG), result(LONG, "IN_PROGRESS"), user("And?")]
    async with serve(model) as served, served.client() as client:
        await client.post(URL, json={"messages": history, "thread_id": "t"})
        history[2] = result(LONG, "forty-two")
        more = [{"role": "assistant", "content": "Wait."}, user("Now?")]
        await client.post(URL, json={"messages": [*history, *more], "thread_id": "t"})
    assert [message.text for message in model.requests[-1].messages if message.type == "tool"] == [
        "forty-two"
    ]


RESULTS: dict[str, tuple[Any, str]] = {
    "an object": ({"answer": 42}, '{"answer": 42}'),
    "a number": (42, "42"),
    "a fraction": (1.5, "1.5"),
    "yes or no": (True, "true"),
    "nothing": (None, "(no output)"),
    "a list of records": ([{"answer": 42}], '[{"answer": 42}]'),
    "records that have a type": (
        [{"type": "document", "title": "Invoice"}],
        '[{"type": "document", "title": "Invoice"}]',
    ),
    "texts": ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "one\ntwo"),
    "a picture": (
        [{"type": "image", "data": "A" * 9000, "mimeType": "image/png"}],
        "[image, image/png, 6,750 bytes]",
    ),
    "a long number": (10**30, "1e+30"),
    "half a character": ("report_\udce4.txt", "report_\ufffd.txt"),
    "half a character inside": ({"file": "\udce4"}, '{"file": "\ufffd"}'),
}


@pytest.mark.parametrize(("content", "text"), RESULTS.values(), ids=RESULTS)
async def test_a_result_of_any_kind_reaches_the_model_as_text(
    serve: Serve, backend: OpenAIServer, content: Any, text: str
) -> None:
    messages = await sent(serve, backend, user("Go."), called("c"), result("c", content))
    assert messages[-1]["content"] == text


async def test_a_result_that_is_not_a_number_is_no_reason_to_fail(serve: Serve) -> None:
    model = ScriptedChatModel(["Hello."])
    body = json.dumps({"messages": [user("Go."), called("c"), result("c", float("nan"))]})
    async with serve(model) as served, served.client() as client:
        answer = await client.post(URL, content=body)
    assert answer.json()["choices"][0]["message"]["content"] == "Hello."
    assert model.requests[0].messages[-1].text == "nan"


async def test_function_messages_of_the_first_protocol_are_kept(serve: Serve, backend: OpenAIServer) -> None:
    call = {"name": "weather", "arguments": '{"city": "Rome"}'}
    messages = await sent(
        serve,
        backend,
        user("Weather?"),
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "weather", "content": "Sunny"},
    )
    assert messages[1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert messages[2]["tool_call_id"] == messages[1]["tool_calls"][0]["id"]
    assert messages[2]["content"] == "Sunny"


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = {"in": value}
    return value


@pytest.mark.parametrize("depth", [50, 150, 400])
async def test_deep_arguments_and_results_are_no_reason_to_fail(
    serve: Serve, backend: OpenAIServer, depth: int
) -> None:
    call = called("c")
    call["tool_calls"][0]["function"]["arguments"] = nested(depth)
    messages = await sent(serve, backend, user("Go."), call, result("c", nested(depth)), user("And?"))
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]


async def test_a_body_that_is_nested_without_end_is_refused(serve: Serve) -> None:
    body = b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    async with serve() as served, served.client() as client:
        assert (await client.post(URL, content=body)).status_code == 400


async def test_arguments_that_are_encoded_twice_or_hold_long_numbers_are_read(
    serve: Serve, backend: OpenAIServer
) -> None:
    call = called("a", "b")
    call["tool_calls"][0]["function"]["arguments"] = json.dumps('{"city": "Rome"}')
    call["tool_calls"][1]["function"]["arguments"] = '{"n": 123456789012345678901234567890, "x": NaN}'
    messages = await sent(serve, backend, user("Go."), call, result("a", "1"), result("b", "2"))
    first, second = (json.loads(one["function"]["arguments"]) for one in messages[1]["tool_calls"])
    assert first == {"city": "Rome"}
    assert second == {"n": "123456789012345678901234567890", "x": None}


NAMES = {
    "ada": "ada",
    "Ada Lovelace": "Ada_Lovelace",
    "Jürgen <b>": "Jurgen_b",
    "山田": "speaker_",
    "x" * 90: "x" * 64,
}


@pytest.mark.parametrize(("name", "legal"), NAMES.items())
async def test_the_names_of_several_speakers_reach_the_model(
    serve: Serve, backend: OpenAIServer, name: str, legal: str
) -> None:
    [message, other] = await sent(serve, backend, user("Hi.", name=name), user("Hello.", name="bob"))
    assert message["name"].startswith(legal)
    assert len(message["name"]) <= 64
    assert (message["content"], other["name"]) == ("Hi.", "bob")


async def test_speakers_whose_names_cannot_be_sent_are_told_apart(
    serve: Serve, backend: OpenAIServer
) -> None:
    one, two = await sent(serve, backend, user("Hi.", name="山田"), user("Hello.", name="鈴木"))
    assert one["name"] != two["name"]


SOUNDS: dict[str, tuple[Message, str]] = {
    "sound with a transcript": (
        user([{"type": "input_audio", "input_audio": {"data": "AAAA", "transcript": "Hi there."}}]),
        "Hi there.",
    ),
    "a transcript beside the sound": (
        user([{"type": "input_audio", "transcript": "Hi there."}]),
        "Hi there.",
    ),
    "an audio part": (user([{"type": "audio", "audio": {"transcript": "Hi there."}}]), "Hi there."),
    "sound alone": (
        user([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]),
        "[audio]",
    ),
    "a video": (user([{"type": "video_url", "video_url": {"url": "https://x.example/v.mp4"}}]), "[video]"),
    "what nobody knows": (user([{"type": "hologram", "x": 1}]), "[content]"),
    "a picture on somebody's disk": (
        user([{"type": "image_url", "image_url": {"url": "file:///home/x.png"}}]),
        "[image]",
    ),
    "a number": (user(42), "42"),
    "an object": (user({"pressed": "1"}), '{"pressed": "1"}'),
}


@pytest.mark.parametrize(("message", "words"), SOUNDS.values(), ids=SOUNDS)
async def test_what_is_no_text_is_told_in_words(
    serve: Serve, backend: OpenAIServer, message: Message, words: str
) -> None:
    assert await sent(serve, backend, message) == [user(words)]


async def test_the_transcript_of_a_spoken_reply_is_what_was_said(serve: Serve, backend: OpenAIServer) -> None:
    reply = {"role": "assistant", "content": None, "audio": {"id": "a1", "transcript": "Good day."}}
    messages = await sent(serve, backend, user("Hi."), reply, user("Bye."))
    assert [message["content"] for message in messages] == ["Hi.", "Good day.", "Bye."]


PNG = "iVBORw0KGgo="
AS_URL: Message = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
AS_FILE: Message = {
    "type": "file",
    "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"},
}
SHOWN: dict[str, tuple[Message, Message]] = {
    "as OpenAI has it": (AS_URL, AS_URL),
    "of the Responses API": (
        {"type": "input_image", "image_url": AS_URL["image_url"]["url"], "detail": "low"},
        {"type": "image_url", "image_url": {**AS_URL["image_url"], "detail": "low"}},
    ),
    "a standard block": ({"type": "image", "base64": PNG, "mime_type": "image/png"}, AS_URL),
    "an older standard block": (
        {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
        AS_URL,
    ),
    "at a URL": (
        {"type": "image", "url": "https://x.example/a.png"},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
    ),
    "as Anthropic has it": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        AS_URL,
    ),
    "a file": (AS_FILE, AS_FILE),
    "a file of the Responses API": ({"type": "input_file", **AS_FILE["file"]}, AS_FILE),
    "an uploaded file": (
        {"type": "input_file", "file_id": "file-1"},
        {"type": "file", "file": {"file_id": "file-1"}},
    ),
}


@pytest.mark.parametrize(("part", "shown"), SHOWN.values(), ids=SHOWN)
async def test_pictures_and_files_reach_the_model_in_openais_form(
    serve: Serve, backend: OpenAIServer, part: Message, shown: Message
) -> None:
    [message] = await sent(serve, backend, user([{"type": "input_text", "text": "What is it?"}, part]))
    assert message["content"] == [{"type": "text", "text": "What is it?"}, shown]


async def test_a_large_picture_counts_neither_as_words_nor_in_the_record(
    serve: Serve, backend: OpenAIServer
) -> None:
    large = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 50_000}}
    async with serve("openai:m", max_message_chars=100) as served, served.client() as client:
        body = {"messages": [user([{"type": "text", "text": "What is it?"}, large])], "thread_id": "t"}
        await client.post(URL, json=body)
        record = await served.record("t")
    assert backend.requests[-1].messages[-1]["content"][1] == large
    assert [message["text"] for message in record] == ["What is it?", "Hello."]


ROLES = {"User": "user", "HUMAN": "user", " caller ": "user", "Assistant": "assistant", "model": "assistant"}


@pytest.mark.parametrize(("role", "known"), ROLES.items())
async def test_roles_are_known_in_any_case(
    serve: Serve, backend: OpenAIServer, role: str, known: str
) -> None:
    messages = await sent(serve, backend, {"role": role, "content": "Good day."}, user("Hi."))
    assert messages[0] == {"role": known, "content": "Good day."}


async def test_words_in_a_role_that_nobody_knows_are_told_as_whose_they_are(
    serve: Serve, backend: OpenAIServer
) -> None:
    await sent(serve, backend, {"role": "narrator", "content": "It rains."}, user("Hi."))
    assert backend.requests[-1].messages[0]["content"].endswith("\n\nnarrator: It rains.")


async def test_half_characters_anywhere_are_repaired(serve: Serve, backend: OpenAIServer) -> None:
    broken = "a\ud83d"
    call = called("c", name=f"f{broken}")
    call["tool_calls"][0]["function"]["arguments"] = json.dumps({broken: broken})
    messages = await sent(
        serve,
        backend,
        {"role": "system", "content": [{"type": "text", "text": broken}]},
        user([{"type": "text", "text": broken}], name=broken),
        call,
        result("c", [{"type": "text", "text": broken}]),
        {"role": "assistant", "content": broken},
        {"role": "developer", "content": broken},
    )
    assert "\\ud83d" not in json.dumps(messages)
    assert messages[0] == {"role": "user", "content": "a\ufffd", "name": "a"}
    assert json.loads(messages[1]["tool_calls"][0]["function"]["arguments"]) == {"a\ufffd": "a\ufffd"}


def late(result_: str, status: str = "finished") -> Message:
    payload = {
        "type": "async_tool",
        "status": status,
        "tool_call_id": "c",
        "description": "What came of it.",
        "result": result_,
    }
    return {"role": "developer", "content": json.dumps(payload)}


RUNNING = json.dumps({"type": "async_tool", "status": "running", "tool_call_id": "c", "description": "Wait."})
BEGUN = [user("Stock?"), called("c"), result("c", RUNNING), {"role": "assistant", "content": "I'm looking."}]


@pytest.mark.parametrize("instructions", ["append", "ignore"])
async def test_a_result_that_comes_as_a_developer_message_is_a_result(
    serve: Serve, backend: OpenAIServer, instructions: str
) -> None:
    history = [*BEGUN, late('"four"', "running"), late('"five left"'), user("And?")]
    messages = await sent(serve, backend, *history, client_instructions=instructions)
    assert [message["content"] for message in messages if message["role"] == "tool"] == [
        '"four"\n"five left"'
    ]
    assert "async_tool" not in json.dumps(backend.requests[-1].messages[0])


@pytest.mark.parametrize("instructions", ["append", "ignore"])
async def test_a_result_that_has_just_come_is_told_to_the_model(
    serve: Serve, backend: OpenAIServer, instructions: str
) -> None:
    await sent(serve, backend, *BEGUN, late('"five left"'), client_instructions=instructions)
    hidden = [message for message in backend.requests[-1].messages if "What came of it." in str(message)]
    assert len(hidden) == 1


async def test_news_of_a_clients_second_model_is_kept_where_instructions_are_not(
    serve: Serve, backend: OpenAIServer
) -> None:
    notes = [
        {"role": "developer", "content": content} for content in ("Be rude.", "Backend: The flight is late.")
    ]
    await sent(serve, backend, user("Hi."), *notes, user("And?"), client_instructions="ignore")
    prompt = backend.requests[-1].messages[0]["content"]
    assert "The flight is late." in prompt
    assert "Be rude." not in prompt


CALL: RunnableConfig = {"configurable": {"thread_id": "t"}}


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"type": "image", "data": b"abc"}, "part 2 ('image') contains bytes: give base64 text or a URL"),
        ({"type": "file", "file": {"file_data": b"abc"}}, "part 2 ('file') contains bytes"),
        ({"type": "image", "data": {1, 2}}, "part 2 ('image') contains a set, which JSON cannot represent"),
    ],
    ids=repr,
)
async def test_bytes_in_the_callers_message_are_refused_before_anything_is_kept(
    open_voice: OpenVoice, part: Message, reason: str
) -> None:
    model = ScriptedChatModel(["Hello."])
    message = user([{"type": "text", "text": "What is it?"}, part])
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        turns: list[Any] = [{"messages": [message]}, {"messages": [user("Hi."), message]}]
        for turn in turns:
            with pytest.raises(InvalidMessage) as caught:
                await graph.ainvoke(turn, CALL)
            assert reason in str(caught.value)
        assert not (await graph.aget_state(CALL)).values
        fine: Any = {"messages": [user("Hi.")]}
        await graph.ainvoke(fine, CALL)
    assert [message.text for message in model.requests[-1].messages[1:]] == ["Hi."]


async def test_bytes_in_an_older_message_of_a_history_are_described(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["Hello."])
    older = user([{"type": "text", "text": "See."}, {"type": "image", "data": b"abc"}])
    async with open_voice(model) as resources:
        turn: Any = {"messages": [older, {"role": "assistant", "content": "Nice."}, user("And?")]}
        await build_graph(resources).ainvoke(turn, CALL)
    assert [message.text for message in model.requests[-1].messages[1:]] == ["See.\n[image]", "Nice.", "And?"]
