"""Side calls that come before the first words of a call: detectors listen to how it is answered."""

from typing import Any

import pytest
from openai_server import OpenAIServer, ToolCall, text, tool_calls
from served_app import Serve

URL = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "save_prediction", "parameters": {"type": "object"}}}
FORCED = {"tools": [TOOL], "tool_choice": "required"}


def body(prompt: str, words: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": words}]
    return {"messages": messages, "thread_id": "t", "stream": True, **fields}


DETECTORS: dict[str, dict[str, Any]] = {
    "an answering machine detector": body(
        "Task:\nClassify the call greeting transcript into one of these categories:", "Hello?", **FORCED
    ),
    "a voicemail detector": body("You are a voicemail detection classifier for OUTBOUND calls.", "Hello?"),
    "a classifier that wants JSON": body(
        "You are a classifier. Reply with one JSON object.",
        'Input:\nHello?\n\nQuestion "voicemail": a machine?',
        stream=False,
        response_format={"type": "json_object"},
    ),
    "key terms": body("You maintain STT keyterms.", "## Transcript\nUSER: Hello?\n\n(none)", **FORCED),
}


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)
async def test_a_detector_that_is_first_leaves_no_trace(
    serve: Serve, backend: OpenAIServer, detector: dict[str, Any]
) -> None:
    made = tool_calls([ToolCall("save_prediction", "{}")]) if "tools" in detector else text("A human.")
    backend.add(made, text("Roma, good evening."))
    async with serve("openai:m") as served, served.client() as client:
        answer = await client.post(URL, json=detector)
        assert ("save_prediction" if "tools" in detector else "human") in answer.text
        await client.post(URL, json=body("You are the receptionist of Roma.", "Hello?"))
        record = await served.record("t")
    assert backend.requests[0].messages == detector["messages"]
    assert [message["content"] for message in backend.requests[1].messages[1:]] == ["Hello?"]
    assert [message["text"] for message in record] == ["Hello?", "Roma, good evening."]
