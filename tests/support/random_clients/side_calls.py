"""What clients ask a model beside the conversation, as LiveKit and Pipecat write it."""

import json
from typing import Any

from voicegraph.nodes.testing import ScriptedCall

from .call import Call, Message
from .model import Plan

_SUMMARIZE = "Compress older conversation history into a short, faithful summary. Omit greetings."
_MACHINE = "Classify the call greeting transcript into exactly one of these categories: human, machine-vm."
_TERMS = "You keep the key terms of a speech recognizer. Call record_keyterms once."
_CLASSIFY = "You are a classifier. Reply with a single JSON object, and nothing else: one key per question."
_TOOL = {"type": "function", "function": {"name": "record", "parameters": {"type": "object"}}}
_FORCED = {"tools": [_TOOL], "tool_choice": "required"}
_FORM = {"type": "json_schema", "json_schema": {"name": "response", "schema": {"type": "object"}}}


async def side_call(call: Call) -> None:
    """Make a side call; the model is asked what the client wrote, and nothing else."""
    body = call.dice.choice(_bodies(call.history))
    made = ScriptedCall(name="record", arguments="{}") if "tools" in body else None
    plan = Plan(text="Somebody wants a table.", call=made)
    call.note(f"a side call: {body['messages']}")
    answer = await call.phone.ask({**body, **call.fields, "stop": [call.phone.plan(plan)]}, call.headers)
    [prompt] = plan.prompts
    assert [message.text for message in prompt] == [message["content"] for message in body["messages"]]
    assert answer.calls if made else answer.text == plan.text


def _bodies(history: list[Message]) -> list[Message]:
    """Return the bodies of side calls about a conversation."""
    said = [m for m in history if m["role"] in ("user", "assistant") and m["content"]]
    lines = "\n\n".join(f"{m['role'].upper()}: {m['content']}" for m in said)
    xml = "\n".join(f"<{m['role']}>\n{m['content']}\n</{m['role']}>" for m in said)
    last = next((m["content"] for m in reversed(said) if m["role"] == "user"), "Hello?")
    detectors = [
        _body(_MACHINE, last, stream=True, **_FORCED),
        _body(_CLASSIFY, f'Input:\n{last}\n\nQuestion "voicemail": a machine?', response_format=_FORM),
        {**_body("Translate.", json.dumps(last), stream=True), "side_call": True},
    ]
    if not said:
        return detectors
    terms = f"## Transcript (USER = raw STT)\n{lines}\n\n## Applied keyterms\n(none)"
    return [
        _body(_SUMMARIZE, f"Conversation to summarize:\n\n{xml}", stream=True),
        _body(_SUMMARIZE, f"Conversation history:\n{lines}", max_tokens=600),
        _body(_TERMS, terms, stream=True, **_FORCED),
        *detectors,
    ]


def _body(prompt: str, words: str, **fields: Any) -> Message:
    return {
        "messages": [{"role": "system", "content": prompt}, {"role": "user", "content": words}],
        **fields,
    }
