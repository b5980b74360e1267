"""Chat completions over the application: threads, histories, tools of the client, failures as speech."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest
from hold import Hold
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.config import get_stream_writer
from served_app import Serve
from starlette.datastructures import Headers

from voicegraph.graph.server.chat.chat_request import read_chat_request
from voicegraph.nodes import Speech, voice_tool
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor
from voicegraph.state.errors import ModelRefused, ModelUnavailable

URL = "/v1/chat/completions"


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def asked(model: ScriptedChatModel, place: int = -1) -> list[str]:
    """Return the conversation of a request to the model, without its system prompt."""
    short = {HumanMessage: "u", AIMessage: "a", SystemMessage: "s"}
    messages: list[BaseMessage] = model.requests[place].messages[1:]
    return [f"{short.get(type(m), 't')}:{m.text}" for m in messages]  # pyright: ignore[reportArgumentType]


def chunks_of(text: str) -> list[Any]:
    """Return the chunks of a stream; the last one is the text `[DONE]`."""
    data = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    return [json.loads(line) if line != "[DONE]" else line for line in data]


def spoken(text: str) -> str:
    return "".join(
        choice["delta"].get("content") or "" for chunk in chunks_of(text)[:-1] for choice in chunk["choices"]
    )


async def test_a_stream_is_made_of_openais_chunks(serve: Serve) -> None:
    async with serve(ScriptedChatModel(["Hello there."])) as served, served.client() as client:
        body = {"messages": [user("Hi")], "stream": True, "stream_options": {"include_usage": True}}
        answer = await client.post(URL, json={**body, "model": "default"})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *chunks, done = chunks_of(answer.text)
    assert done == "[DONE]"
    assert {(chunk["id"], chunk["object"], chunk["model"]) for chunk in chunks} == {
        (chunks[0]["id"], "chat.completion.chunk", "default")
    }
    assert [choice["delta"] for chunk in chunks for choice in chunk["choices"]] == [
        {"role": "assistant", "content": ""},
        {"content": "Hello"},
        {"content": " there."},
        {},
    ]
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert reasons == [None, None, None, "stop"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] > 0


async def test_a_client_that_does_not_stream_gets_one_object(serve: Serve) -> None:
    async with serve(ScriptedChatModel(["Hello there."])) as served, served.client() as client:
        answer = (await client.post(URL, json={"messages": [user("Hi")]})).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hello there.",
        "refusal": None,
    }
    assert answer["choices"][0]["finish_reason"] == "stop"


THREADS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "header": ({"X-Thread-Id": "t"}, {"thread_id": "no", "call": {"id": "no"}}),
    "body": ({"X-LiveKit-Job-ID": "no"}, {"thread_id": "t", "metadata": {"thread_id": "no"}}),
    "metadata": ({"X-LiveKit-Room-ID": "no"}, {"metadata": {"thread_id": "t"}}),
    "livekit job": ({"X-LiveKit-Job-ID": "t", "X-LiveKit-Room-ID": "no"}, {"call": {"id": "no"}}),
    "livekit room": ({"X-LiveKit-Room-ID": "t"}, {"call": {"id": "no"}}),
    "vapi": ({}, {"call": {"id": "t"}, "elevenlabs_extra_body": {"thread_id": "no"}}),
    "elevenlabs": ({}, {"elevenlabs_extra_body": {"UUID": "t"}}),
}


@pytest.mark.parametrize(("headers", "body"), THREADS.values(), ids=THREADS)
async def test_the_thread_is_the_one_that_the_client_names(
    serve: Serve, headers: dict[str, str], body: dict[str, Any]
) -> None:
    async with serve(ScriptedChatModel(["Hello."])) as served, served.client() as client:
        answer = await client.post(URL, json={"messages": [user("Hi")], **body}, headers=headers)
    assert answer.headers["x-thread-id"] == "t"


async def test_two_agents_in_one_room_have_a_thread_each(serve: Serve) -> None:
    async with serve(ScriptedChatModel(["One.", "Two.", "Three."])) as served, served.client() as client:
        await client.post("/v1/agents", json={"name": "nina"})
        body = {"messages": [user("Hi")], "thread_id": "room"}
        threads = [
            (await client.post(URL, json={**body, "model": model})).headers["x-thread-id"]
            for model in ("default", "nina", "nina")
        ]
    assert threads[0] == "room"
    assert threads[1] == threads[2] != "room"


async def test_a_history_without_an_id_goes_on_with_its_thread(serve: Serve) -> None:
    model = ScriptedChatModel(["Hello Ada.", "Sunny.", "You are Bob.", "Bye."])
    async with serve(model) as served, served.client() as client:

        async def ask(*messages: dict[str, Any]) -> str:
            return (await client.post(URL, json={"messages": messages})).headers["x-thread-id"]

        ada = await ask(user("I'm Ada"))
        assert await ask(user("I'm Ada"), assistant("Hello Ada."), user("Weather?")) == ada
        assert await ask(user("I'm Bob")) != ada
        told = [user("I'm Ada"), assistant("Hello Ada."), user("Weather?"), assistant("Sunny")]
        assert await ask(*told, user("Bye")) == ada


async def test_a_history_that_two_threads_could_begin_goes_on_with_neither(serve: Serve) -> None:
    async with serve(ScriptedChatModel(["Hello."] * 3)) as served, served.client() as client:

        async def ask(*messages: dict[str, Any]) -> str:
            return (await client.post(URL, json={"messages": messages})).headers["x-thread-id"]

        first, second = await ask(user("Hi")), await ask(user("Hi"))
        third = await ask(user("Hi"), assistant("Hello."), user("Weather?"))
    assert len({first, second, third}) == 3


async def test_the_model_sees_the_history_as_it_was_heard(serve: Serve) -> None:
    model = ScriptedChatModel(["One two three four.", "Fine."])
    async with serve(model) as served, served.client() as client:
        body = {"thread_id": "t"}
        await client.post(URL, json={"messages": [user("Count.")], **body})
        told = [user("Count."), assistant("One two"), user("Stop.")]
        await client.post(URL, json={"messages": told, **body})
    assert asked(model) == ["u:Count.", "a:One two", "u:Stop."]


async def test_system_notes_follow_the_agents_prompt_where_every_template_takes_them(serve: Serve) -> None:
    model = ScriptedChatModel(["Ahoy."])
    async with serve(model) as served, served.client() as client:
        notes = [system("You are a pirate."), user("Hi"), {"role": "developer", "content": "Be loud."}]
        await client.post(URL, json={"messages": notes})
    assert model.requests[0].messages[0].text.endswith("\n\nYou are a pirate.\n\nBe loud.")
    assert asked(model) == ["u:Hi"]


async def test_a_clients_notes_can_be_ignored(serve: Serve) -> None:
    model = ScriptedChatModel(["Hello."])
    async with serve(model, client_instructions="ignore") as served, served.client() as client:
        await client.post(URL, json={"messages": [system("You are a pirate."), user("Hi"), system("Loud.")]})
    assert "pirate" not in model.requests[0].messages[0].text
    assert asked(model) == ["u:Hi"]


async def test_an_agent_can_be_told_to_speak_first(serve: Serve) -> None:
    model = ScriptedChatModel(["Welcome!", "Fine."])
    async with serve(model) as served, served.client() as client:
        answer = await client.post(URL, json={"messages": [system("Greet.")], "thread_id": "t"})
        assert answer.json()["choices"][0]["message"]["content"] == "Welcome!"
        told = [system("Greet."), assistant("Welcome!"), user("Hi")]
        await client.post(URL, json={"messages": told, "thread_id": "t"})
    assert asked(model) == ["a:Welcome!", "u:Hi"]


LAMP = {
    "type": "function",
    "function": {"name": "lamp", "description": "Light.", "parameters": {"type": "object"}},
}


async def test_a_clients_tool_is_called_by_the_client(serve: Serve) -> None:
    model = ScriptedChatModel([calls("lamp", on=True, id="c1"), "It is on.", "Yes."])
    async with serve(model) as served, served.client() as client:
        body = {"tools": [LAMP], "thread_id": "t", "stream": True}
        answer = await client.post(URL, json={"messages": [user("Light!")], **body})
        *chunks, _ = chunks_of(answer.text)
        [call] = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", [])]
        assert call == {
            "index": 0,
            "id": "c1",
            "type": "function",
            "function": {"name": "lamp", "arguments": '{"on":true}'},
        }
        assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
        made = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{k: v for k, v in call.items() if k != "index"}],
        }
        result = {"role": "tool", "tool_call_id": "c1", "content": "done"}
        answer = await client.post(URL, json={"messages": [user("Light!"), made, result], **body})
        assert spoken(answer.text) == "It is on."
    assert asked(model) == ["u:Light!", "a:", "t:done"]
    assert "lamp" in model.requests[0].tools


async def test_an_agents_own_tool_and_a_clients_are_called_in_one_step(serve: Serve) -> None:
    ran: list[str] = []

    def look() -> str:
        """Look."""
        ran.append("look")
        return "seen"

    both = ScriptedReply(calls=[*calls("look", id="a").calls, *calls("lamp", id="b").calls])
    model = ScriptedChatModel([both, "Done."])
    async with serve(model, tools=[look]) as served, served.client() as client:
        body = {"tools": [LAMP], "thread_id": "t"}
        first = (await client.post(URL, json={"messages": [user("Both")], **body})).json()
        made = first["choices"][0]["message"]
        assert [call["id"] for call in made["tool_calls"]] == ["b"]
        result = {"role": "tool", "tool_call_id": "b", "content": "IN_PROGRESS"}
        await client.post(URL, json={"messages": [user("Both"), made, result], **body})
    assert ran == ["look"]
    assert sorted(item for item in asked(model) if item.startswith("t:")) == ["t:IN_PROGRESS", "t:seen"]


@pytest.mark.parametrize("error", [ModelRefused("bad key"), ModelUnavailable("down")], ids=repr)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_model_that_fails_is_an_apology_not_an_error(
    serve: Serve, error: Exception, stream: bool
) -> None:
    model = ScriptedChatModel([error])
    async with serve(model, model_attempts=1) as served, served.client() as client:
        answer = await client.post(URL, json={"messages": [user("Hi")], "stream": stream})
    assert answer.status_code == 200
    said = spoken(answer.text) if stream else answer.json()["choices"][0]["message"]["content"]
    assert said == "Sorry, I can't answer right now. Please try again in a moment."


async def test_the_same_request_at_the_same_time_is_one_turn(serve: Serve) -> None:
    hold = Hold()
    model = ScriptedChatModel([ScriptedReply(text="One two.", hold=hold, hold_after=1)])
    async with serve(model) as served, served.client() as client:
        body = {"messages": [user("Count.")], "stream": True, "thread_id": "t"}
        asking = [asyncio.create_task(client.post(URL, json=body)) for _ in range(4)]
        await hold.reached.wait()
        hold.set()
        answers = await asyncio.gather(*asking)
    assert [spoken(answer.text) for answer in answers] == ["One two."] * 4
    assert len({answer.headers["x-thread-id"] for answer in answers}) == 1


async def test_the_same_request_again_is_answered_though_the_first_client_leaves(serve: Serve) -> None:
    hold = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="One two.", hold=hold, hold_after=1)])
    async with serve(model) as served:
        turns, sent = (
            served.app.state.turns,
            json.dumps({"messages": [user("Count.")], "thread_id": "t"}).encode(),
        )
        first, again = [
            await turns.of_request(Actor(), "default", read_chat_request(sent, Headers())) for _ in range(2)
        ]
        async with aclosing(first.events()) as events:
            assert await anext(events) == Speech(content="One")
        first.run.part()  # Before the other one listens.
        hold.set()
        words = [event.content async for event in again.events() if isinstance(event, Speech)]
        again.run.part()
    assert "".join(words) == "One two."


async def test_a_newer_request_stops_an_older_one(serve: Serve) -> None:
    held = ScriptedReply(text="One two.", hold=asyncio.Event(), hold_after=1)
    model = ScriptedChatModel([held, "Yes?"])
    async with serve(model) as served, served.client() as client:
        body = {"thread_id": "t", "stream": True}
        older = asyncio.create_task(client.post(URL, json={"messages": [user("Count")], **body}))
        while not model.requests:
            await asyncio.sleep(0)
        newer = await client.post(URL, json={"messages": [user("Count to two")], **body})
        assert spoken(newer.text) == "Yes?"
        assert chunks_of((await older).text)[-1] == "[DONE]"
    assert asked(model) == ["u:Count to two"]


@pytest.mark.parametrize(("grace", "ran"), [(60.0, 0), (0.0, 1)])
async def test_a_dropped_draft_runs_no_tool_with_side_effects_within_its_grace(
    serve: Serve, grace: float, ran: int
) -> None:
    booked: list[str] = []

    @voice_tool(side_effects=True)
    def book() -> str:
        """Book."""
        booked.append("table")
        return "booked"

    hold = asyncio.Event()
    model = ScriptedChatModel([calls("book", "Booking."), ScriptedReply(text="Done", hold=hold), "Now."])
    async with serve(model, tools=[book], speculative_grace=grace) as served, served.client() as client:
        body = {"thread_id": "t", "stream": True}
        draft = asyncio.create_task(client.post(URL, json={"messages": [user("Book a")], **body}))
        while len(model.requests) < 1 + ran:
            await asyncio.sleep(0)
        await client.post(URL, json={"messages": [user("Book a table")], **body})
        await draft
    assert len(booked) == ran
    assert asked(model) == (["a:", "t:booked", "u:Book a table"] if ran else ["u:Book a table"])


async def test_no_new_turn_is_taken_while_the_server_ends(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        served.app.state.draining = True
        answer = await client.post(URL, json={"messages": [user("Hi")]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


WRONG: dict[str, tuple[Any, int]] = {
    "no body": (b"", 400),
    "no json": (b"{", 400),
    "no object": (b"[]", 400),
    "no messages": (b"{}", 400),
    "empty messages": (b'{"messages": []}', 400),
    "messages of nothing": (b'{"messages": [1, null, {}]}', 400),
    "unknown agent": (b'{"model": "nobody", "messages": [{"role": "user", "content": "Hi"}]}', 404),
    "too long": (json.dumps({"messages": [user("x" * 30)]}).encode(), 400),
    "a thread id that cannot be one": (
        json.dumps({"messages": [user("x")], "thread_id": "a\0b"}).encode(),
        400,
    ),
}


@pytest.mark.parametrize(("body", "status"), WRONG.values(), ids=WRONG)
async def test_what_the_caller_got_wrong_is_an_error_object(serve: Serve, body: bytes, status: int) -> None:
    async with serve(max_message_chars=20) as served, served.client() as client:
        answer = await client.post(URL, content=body)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


ODD: dict[str, list[Any]] = {
    "parts": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    "unknown role": [{"role": "narrator", "content": "It rains."}, user("Hi")],
    "names and other fields": [{"role": "user", "content": "Hi", "name": "ada", "x": {"y": 1}}],
    "an orphan result": [{"role": "tool", "tool_call_id": "?", "content": "x"}, user("Hi")],
    "a call without a result": [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{"}}],
        },
        user("Hi"),
    ],
    "two of the caller": [user("Hel"), user("Hi")],
    "an empty one": [user("Hi"), user("")],
    "a picture": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}
    ],
    "half an emoji": [user("Hi \ud83d")],
    "ends with a reply": [user("Hi"), assistant("Hello")],
}


@pytest.mark.parametrize("messages", ODD.values(), ids=ODD)
async def test_every_kind_of_history_is_answered(serve: Serve, messages: list[Any]) -> None:
    model = ScriptedChatModel(["Hello."])
    async with serve(model) as served, served.client() as client:
        answer = await client.post(
            URL, content=json.dumps({"model": "default", "messages": messages, "n": 3})
        )
    assert answer.json()["choices"][0]["message"]["content"] == "Hello."


async def test_a_tool_may_write_anything_to_the_stream(serve: Serve) -> None:
    @voice_tool()
    async def look_up(word: str) -> str:
        """Look a word up."""
        get_stream_writer()("Looking ...")
        return f"{word}: found."

    model = ScriptedChatModel([calls("look_up", "One moment.", word="ivy"), "It is a plant."])
    async with serve(model, tools=[look_up]) as served, served.client() as client:
        answer = await client.post(URL, json={"messages": [user("What is ivy?")]})
    assert answer.json()["choices"][0]["message"]["content"] == "One moment. It is a plant."
