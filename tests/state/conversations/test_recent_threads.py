"""Recent threads are found by the words that they end with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home

from voicegraph.state.agents.thread_keys import thread_key, thread_name
from voicegraph.state.conversations import recent_threads
from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.conversations.recent_threads import ThreadEnd, ThreadEnds
from voicegraph.state.errors import AgentNotFound
from voicegraph.state.search.neighbours import WITHDRAWN

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)


async def save(home: Home, thread_id: str, *said: str, at: datetime = NOW, **more: Any) -> None:
    """Store what was said: `u:` words, `a:` replies of a model, `t:` replies that a client told."""
    await home.store.threads.claim(ADA, home.agent.id, thread_id)
    roles: Any = {"u": "user", "a": "assistant", "t": "assistant"}
    records = [
        MessageRecord(
            id=f"{thread_id}-{place}-{text}",
            turn_id="turn",
            role=roles[kind],
            text=text,
            model="m" if kind == "a" else None,
            created_at=at,
            **more,
        )
        for place, (kind, text) in enumerate(each.split(":", 1) for each in said)
    ]
    await home.store.messages.save(ADA, home.agent.id, thread_id, records)


async def find(home: Home, *words: str, reply: str = "", limit: int = 10, **more: Any) -> ThreadEnds:
    recent = home.store.recent
    ends = await recent.ending_with(ADA, home.agent.name, words, reply, since=EARLIER, limit=limit, **more)
    named = (replace(end, thread_id=thread_name(end.thread_id)) for end in ends.found)
    return replace(ends, found=tuple(named))


async def found(home: Home, *words: str, **how: Any) -> list[str]:
    return [end.thread_id for end in (await find(home, *words, **how)).found]


async def test_threads_are_found_by_their_last_words_the_newest_first(home: Home) -> None:
    await save(home, "one", "u:Hi", "a:Hello.", "u:Yes.", "a:Fine.", "a:And when?")
    await save(home, "two", "u:Yes.")
    await save(home, "three", "u:Yes.", "a:Fine.", "u:No.")
    ends = await find(home, "Yes.", "Perhaps.")
    assert ends.found == (
        ThreadEnd(thread_id="two", words="Yes.", replies=()),
        ThreadEnd(thread_id="one", words="Yes.", replies=("Fine.", "And when?")),
    )
    assert (ends.agent_id, ends.complete, ends.too_many) == (home.agent.id, True, False)


async def test_old_threads_and_those_of_other_agents_are_not_found(home: Home) -> None:
    other = await home.store.agents.create(ADA, "other")
    await save(home, "old", "u:Yes.", at=EARLIER - timedelta(seconds=1))
    await home.store.threads.claim(ADA, other.id, "others")
    said = MessageRecord(id="m", turn_id="t", role="user", text="Yes.", created_at=NOW)
    await home.store.messages.save(ADA, other.id, "others", [said])
    assert await found(home, "Yes.") == []


async def test_threads_are_found_by_words_before_those_that_are_said_again(home: Home) -> None:
    await save(home, "one", "u:Yes.", "a:Fine.", "u:No.", "a:Why not?")
    await save(home, "two", "u:Yes.", "a:Fine.", "u:No.", "a:Why not?", "u:No.")
    assert (await find(home, "Yes.", newest="No.")).found == (
        ThreadEnd(thread_id="one", words="Yes.", replies=("Fine.",), newest="No."),
    )


async def test_threads_are_found_by_words_before_those_that_may_be_a_draft(home: Home) -> None:
    await save(home, "old", "u:Yes.", "a:Fine.", "u:No.", at=NOW - timedelta(minutes=1))
    await save(home, "new", "u:Yes.", "a:Fine.", "u:No.", "a:Why not?")
    await save(home, "went on", "u:Yes.", "a:Fine.", "u:No.", "u:Perhaps.")
    assert await found(home, "Yes.", settled=NOW - timedelta(seconds=30)) == ["new"]


async def test_words_that_were_withdrawn_do_not_count(home: Home) -> None:
    await save(home, "one", "u:Yes.", "a:Fine.")
    await save(home, "one", "u:No.", status=WITHDRAWN)
    assert await found(home, "Yes.") == ["one"]
    assert await found(home, "No.") == []


async def test_threads_are_found_by_the_beginning_of_the_agents_own_last_reply(home: Home) -> None:
    await save(home, "greeted", "a:Good day, this is Nina.")
    await save(home, "told", "t:Good day, this is Nina.")
    await save(home, "went on", "a:Good day, this is Nina.", "u:Hi", "a:Hello.")
    await save(home, "later", "u:Hi", "a:Good day, this is Nina.")
    assert await found(home, reply="Good day") == ["later", "greeted"]
    assert await found(home, "Yes.", reply="Good night") == []


async def test_replies_are_given_as_they_were_spoken(home: Home) -> None:
    await save(home, "one", "u:Yes.", "a:", spoken="Let me see.")
    assert [end.replies for end in (await find(home, "Yes.")).found] == [("Let me see.",)]


async def test_threads_are_found_by_what_was_spoken_for_a_reply(home: Home) -> None:
    await save(home, "one", "a:", spoken="Let me see.")
    assert await found(home, reply="Let me") == ["one"]


async def test_more_threads_than_asked_for_are_too_many(home: Home) -> None:
    for number in range(3):
        await save(home, f"thread {number}", "u:Yes.", "a:Fine.", "a:Good.")
    assert not (await find(home, "Yes.", limit=3)).too_many
    assert (await find(home, "Yes.", limit=2)).too_many


@pytest.mark.parametrize(("age", "complete"), [(timedelta(0), False), (timedelta(hours=2), True)])
async def test_only_the_newest_messages_are_looked_at(
    home: Home, monkeypatch: pytest.MonkeyPatch, age: timedelta, complete: bool
) -> None:
    monkeypatch.setattr(recent_threads, "LOOKED_AT", 2)
    await save(home, "one", "u:Yes.", at=NOW - age)
    await save(home, "two", "u:No.", at=NOW - age)
    await save(home, "three", "u:Hi", "a:Hello.")
    ends = await find(home, "Yes.")
    assert ends.found == ()
    assert ends.complete == complete


async def test_the_words_of_threads_are_given_in_their_order(home: Home) -> None:
    await save(home, "one", "u:Yes.", "a:Fine.", "u:No.")
    await save(home, "two", "u:Hi")
    await save(home, "three", "u:Hey")
    one, two, four = (thread_key(ADA, name) for name in ("one", "two", "four"))
    words = await home.store.recent.words_of(ADA, home.agent.id, [one, two, four])
    assert words == {one: ["Yes.", "No."], two: ["Hi"]}


async def test_an_agent_that_is_not_there_is_an_error(home: Home) -> None:
    with pytest.raises(AgentNotFound):
        await home.store.recent.ending_with(ADA, "nobody", ["Hi"], since=EARLIER, limit=1)
