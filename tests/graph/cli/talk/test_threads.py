"""`voicegraph threads`, `history` and `resume`."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forked_python import ForkedPython
from openai_server import OpenAIServer, ToolCall, text, tool_calls

from voicegraph.state import Actor, open_store
from voicegraph.state.conversations.messages import MessageRecord
from voicegraph.state.search.neighbours import WITHDRAWN

Run = Callable[..., Any]


def test_looking_makes_no_database(run: Run, folder: Path) -> None:
    assert (run("threads").code, run("agents", "list").code) == (0, 0)
    assert list(folder.iterdir()) == []


def test_threads_are_listed_with_the_last_used_first(run: Run, server: OpenAIServer) -> None:
    server.add(*[text("Hello.")] * 3)
    for thread in ("one", "two", "one"):
        run("say", "Hi", "--thread", thread)
    rows = [line.split("\t")[:3] for line in run("threads").out.splitlines()]
    assert rows == [["one", "default", "4"], ["two", "default", "2"]]
    assert [line.split("\t")[0] for line in run("threads", "--limit", "1").out.splitlines()] == ["one"]


def test_another_user_sees_no_thread_of_ours(run: Run, server: OpenAIServer) -> None:
    server.add(text("Hello."))
    run("say", "Hi", "--thread", "one")
    assert run("--user", "eve", "threads").out == ""
    assert run("--user", "eve", "history", "one").code == 2


def test_history_tells_words_calls_and_results(run: Run, server: OpenAIServer) -> None:
    server.add(tool_calls([ToolCall("current_time", '{"pre_exec_msg": "A moment."}')]), text("It is late."))
    run("say", "What time is it?", "--thread", "one")
    lines = [line[18:] for line in run("history", "one").out.splitlines()]
    assert lines[:3] == [
        "user       What time is it?",
        "assistant  A moment.",
        "assistant  calls current_time()",
    ]
    assert lines[3].startswith("tool       current_time: success: ")
    assert lines[4:] == ["assistant  It is late."]
    assert run("history", "one", "--limit", "1").out.endswith("  It is late.\n")


def test_resume_ends_the_turn_of_a_killed_process(
    run: Run, server: OpenAIServer, start: Callable[..., ForkedPython]
) -> None:
    held = text("One two three.", hold_after=2)
    server.add(held, text("One two three."), text("Fine."))
    process = start("say", "Count.", "--thread", "one")
    assert process.stdout.read(3) == "One"
    process.kill()
    process.wait()
    assert run("resume", "one").code == 0
    lines = [line[29:] for line in run("history", "one").out.splitlines()]
    # What went out before the kill was heard too, if it was written down by then.
    assert (lines[0], lines[-1], lines.count("Count.")) == ("Count.", "One two three.", 1)
    again = run("resume", "one")
    assert (again.code, "nothing to resume" in again.errors) == (2, True)
    assert run("say", "And you?", "--thread", "one").out == "Fine.\n"


def test_db_upgrade_tells_what_it_did(run: Run, folder: Path) -> None:
    assert "upgraded from an empty state" in run("db", "upgrade").out
    assert "is up to date" in run("db", "upgrade").out
    assert (folder / "voice.db").exists()


def test_history_tells_what_a_killed_process_left(
    run: Run, server: OpenAIServer, start: Callable[..., ForkedPython]
) -> None:
    held = text("One two three.", hold_after=2)
    server.add(held)
    process = start("say", "Count.", "--thread", "one")
    assert process.stdout.read(3) == "One"
    process.kill()
    process.wait()
    assert [line.split("\t")[3].endswith(" (cut off)") for line in run("threads").out.splitlines()] == [True]
    assert [line[18:] for line in run("history", "one").out.splitlines()][:1] == ["user       Count."]


def test_history_leaves_drafts_out_unless_they_are_wanted(run: Run) -> None:
    actor = Actor()

    def said(id: str, text: str, **fields: Any) -> MessageRecord:
        return MessageRecord(id=id, turn_id="t", role="user", text=text, **fields)

    async def store() -> None:
        store = await open_store("sqlite:///voice.db")
        await store.actors.ensure(actor)
        agent = await store.agents.ensure_default(actor)
        await store.threads.claim(actor, agent.id, "one")
        drafts = [said("1", "Book a", status=WITHDRAWN), said("3", "now", status=WITHDRAWN)]
        records = [drafts[0], said("2", "Book a table"), drafts[1]]
        await store.messages.save(actor, agent.id, "one", records)
        await store.close()

    asyncio.run(store())

    def shown(*options: str) -> list[str]:
        return [line[29:] for line in run("history", "one", *options).out.splitlines()]

    assert shown() == ["Book a table"]
    assert shown("--limit", "1") == ["Book a table"]
    mark = "(a draft, withdrawn)"
    assert shown("--all") == ["Book a", mark, "Book a table", "now", mark]
    listed = next(line for line in run("threads").out.splitlines() if line.startswith("one"))
    assert listed.split("\t")[2] == "1"


def test_history_tells_what_was_heard_where_that_is_not_what_was_written(
    run: Run, server: OpenAIServer
) -> None:
    arguments = '{"pre_exec_msg": "First words.", "pre_exec_msg": "Second words."}'
    server.add(tool_calls([ToolCall("current_time", arguments)]), text("It is late."))
    run("say", "What time is it?", "--thread", "one")
    lines = [line[29:] for line in run("history", "one").out.splitlines()]
    assert lines[1:3] == ["First words.", "calls current_time()"]
    assert lines[-1] == "It is late."
