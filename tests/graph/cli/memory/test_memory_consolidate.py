"""`voicegraph memory consolidate`, by hand."""

import json

from command_runs import Run
from openai_server import OpenAIServer, ToolCall, text, tool_calls


def test_it_keeps_what_left_the_window_and_tells_so(run: Run, server: OpenAIServer, monkeypatch) -> None:
    monkeypatch.setenv("VOICEGRAPH_MESSAGE_BUFFER_LIMIT", "4")
    monkeypatch.setenv("VOICEGRAPH_MESSAGE_BUFFER_MIN", "2")
    for number in range(3):
        server.add(text("I see."))
        assert run("say", f"Turn {number}.", "--thread", "t1").code == 0
    chunks = {"chunks": [{"text": "The user counts turns.", "context": "In a call."}]}
    server.add(tool_calls([ToolCall("store_memories", json.dumps(chunks)), ToolCall("finish", "{}")]))
    done = run("memory", "consolidate")
    assert (done.code, "1 passages" in done.out) == (0, True)
    assert "The user counts turns." in run("memory", "archive").out
    assert run("memory", "consolidate").out.startswith("0 messages")


def test_a_model_that_calls_no_tools_is_refused(run: Run, server: OpenAIServer) -> None:
    server.add(text("Hello."))
    run("say", "Hello.", "--thread", "t1")
    refused = run("memory", "consolidate", "--model", "local:smollm2")
    assert refused.code == 2
    assert "calls no tools" in refused.errors
