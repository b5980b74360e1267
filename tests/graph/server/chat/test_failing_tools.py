"""A tool that fails in any way, served: its caller hears the reply, and so do the others."""

import asyncio
import json
from typing import Any

import pytest
from served_app import Serve

from voicegraph.nodes.testing import ScriptedChatModel, calls

URL = "/v1/chat/completions"
ERRORS = [
    BaseExceptionGroup("x", [asyncio.CancelledError()]),
    KeyboardInterrupt(),
    SystemExit(1),
    GeneratorExit(),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize(
    ("asynchronous", "stream"), [(True, True), (False, False)], ids=["coroutine, streamed", "thread, whole"]
)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_the_caller_hears_the_reply_and_so_does_another(
    serve: Serve, error: BaseException, asynchronous: bool, stream: bool
) -> None:
    async def fail_soon() -> str:
        """Fail."""
        raise error

    def fail() -> str:
        """Fail."""
        raise error

    source = fail_soon if asynchronous else fail

    def reply(messages: list[Any]) -> Any:
        if messages[-1].type == "human" and messages[-1].text == "Fail.":
            return calls(source.__name__, "One moment.")
        return "It did not work." if "Fail." in [message.text for message in messages] else "Hello."

    async def say(client: Any, words: str) -> str:
        body = {"messages": [{"role": "user", "content": words}], "stream": stream}
        answer = await client.post(URL, json=body, headers={"X-Thread-Id": words.rstrip(".")})
        assert answer.status_code == 200
        if not stream:
            choice = answer.json()["choices"][0]
            assert choice["finish_reason"] == "stop"
            return choice["message"]["content"]
        lines = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        choices = [choice for line in lines[:-1] for choice in json.loads(line)["choices"]]
        assert choices[-1]["finish_reason"] == "stop"
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    async with serve(ScriptedChatModel(reply), tools=[source]) as served, served.client() as client:
        heard = await asyncio.gather(say(client, "Fail."), say(client, "Hi."))
        again = await say(client, "Hi.")
    assert [heard[0].replace(". ", "."), heard[1], again] == [
        "One moment.It did not work.",
        "Hello.",
        "Hello.",
    ]
