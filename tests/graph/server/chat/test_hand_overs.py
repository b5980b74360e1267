"""Hand-overs inside a call: another prompt, perhaps another agent, and all that was said before is known."""

import json
from typing import Any

import pytest
from served_app import Serve

from voicegraph.nodes.testing import ScriptedChatModel, calls

URL = "/v1/chat/completions"
RECEPTION, BILLING = "You are the receptionist of a restaurant.", "Billing desk. Explain invoices politely."
TRANSFER = {"type": "function", "function": {"name": "transfer", "parameters": {"type": "object"}}}
Message = dict[str, Any]


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


def said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def body(*messages: Message, **fields: Any) -> Message:
    return {"messages": list(messages), "thread_id": "t", "stream": True, **fields}


def asked(model: ScriptedChatModel) -> list[str]:
    return [m.text for m in model.requests[-1].messages if m.type in ("human", "ai") and m.text]


FIRST = [said("system", RECEPTION), said("user", "I have a question about my invoice.")]


async def transferred(client: Any) -> list[Message]:
    """Hold the turn that hands the call over, and return what the client adds to its history."""
    answer = await client.post(URL, json=body(*FIRST, tools=[TRANSFER]))
    chunks = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
    [call] = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    made = {name: value for name, value in call.items() if name != "index"}
    return [
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": made["id"], "content": "done"},
    ]


@pytest.mark.parametrize("words", ["Which invoice do you have?", "Hello?"])
async def test_an_agent_that_begins_anew_right_after_a_hand_over_knows_the_call(
    serve: Serve, words: str
) -> None:
    model = ScriptedChatModel([calls("transfer"), "Let me see."])
    async with serve(model) as served, served.client() as client:
        await transferred(client)
        await client.post(URL, json=body(said("system", BILLING), said("user", words)))
    assert asked(model) == ["I have a question about my invoice.", words]


async def test_an_agent_that_takes_the_history_over_knows_the_call_once(serve: Serve) -> None:
    model = ScriptedChatModel([calls("transfer"), "Let me see.", "It is 25 euros."])
    async with serve(model) as served, served.client() as client:
        told = [FIRST[1], *await transferred(client)]
        await client.post(URL, json=body(said("system", BILLING), *told))
        told += [said("assistant", "Let me see."), said("user", "How much is it?")]
        await client.post(URL, json=body(said("system", BILLING), *told))
    assert asked(model) == ["I have a question about my invoice.", "Let me see.", "How much is it?"]


async def test_another_agent_of_the_server_is_told_the_call_and_the_first_one_what_came_of_it(
    serve: Serve,
) -> None:
    model = ScriptedChatModel(["Which one?", "I am Nina. The last one?", "Anything else?"])
    told = [said("user", "My invoice, please."), said("assistant", "Which one?"), said("user", "The last.")]
    told += [said("assistant", "I am Nina. The last"), said("user", "Yes.")]
    async with serve(model) as served, served.client() as client:
        await client.post("/v1/agents", json={"name": "nina"})
        for size, agent in ((1, "default"), (3, "nina"), (5, "default")):
            await client.post(URL, json=body(*told[:size], model=agent))
            assert asked(model) == [message["content"] for message in told[:size]]
        record = await served.record("t")
    assert [message["text"] for message in record] == [
        *(message["content"] for message in told),
        "Anything else?",
    ]
