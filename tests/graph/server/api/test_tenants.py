"""A thread id belongs to the user who sends it: nobody can take, block or find out another's."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from served_app import Serve

from voicegraph.graph.server.thread_lookup.thread_ids import own_name
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


ADA, EVE = Actor("acme", "ada"), Actor("other", "eve")
WORDS = {ADA: "I am Ada, born Lovelace.", EVE: "I am Eve, and curious."}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One user's client."""

    client: httpx.AsyncClient
    actor: Actor
    model: ScriptedChatModel

    async def say(self, thread_id: str, words: str = "", **options: Any) -> httpx.Response:
        said = {"role": "user", "content": words or WORDS[self.actor]}
        agent, headers = options.pop("agent", "default"), options.pop("headers", None)
        body = {
            "model": agent,
            "messages": [said],
            **({} if headers else {"thread_id": thread_id}),
            **options,
        }
        return await self.client.post("/v1/chat/completions", json=body, headers=headers)

    def sent(self) -> str:
        """Return what the model was sent last."""
        return " ".join(message.text for message in self.model.requests[-1].messages)

    async def names(self) -> list[str]:
        return [thread["id"] for thread in (await self.client.get("/v1/threads?limit=100")).json()["data"]]


@pytest.fixture
async def lines(serve: Serve) -> AsyncIterator[tuple[Line, Line]]:
    """The lines of Ada and of Eve to one server."""
    model = ScriptedChatModel(lambda _: "Yes.")
    async with serve(model) as served:
        keys = [await served.key(actor) for actor in (ADA, EVE)]
        async with served.client(keys[0]) as ada, served.client(keys[1]) as eve:
            yield (
                Line(client=ada, actor=ADA, model=model),
                Line(client=eve, actor=EVE, model=model),
            )


@pytest.mark.parametrize("stream", [False, True])
async def test_ids_that_another_user_took_first_are_still_one_s_own(
    lines: tuple[Line, Line], stream: bool
) -> None:
    ada, eve = lines
    taken = ["room-9", own_name(ADA, "default", "room-9"), own_name(EVE, "default", "room-9")]
    for thread_id in taken:
        assert (await eve.say(thread_id)).status_code == 200
    for thread_id in taken:
        answer = await ada.say(thread_id, stream=stream)
        assert (answer.status_code, answer.headers["x-thread-id"]) == (200, thread_id)
        assert WORDS[EVE] not in ada.sent()
    await ada.say("room-9", "Who am I?")
    assert WORDS[ADA] in ada.sent()
    assert sorted(await ada.names()) == sorted(await eve.names()) == sorted(taken)


@pytest.mark.parametrize("header", ["X-Thread-Id", "X-LiveKit-Job-ID", "X-LiveKit-Room-ID"])
async def test_ids_that_headers_name_are_one_s_own(lines: tuple[Line, Line], header: str) -> None:
    for line in lines:
        answer = await line.say("", headers={header: "room-9"})
        assert (answer.status_code, answer.headers["x-thread-id"]) == (200, "room-9")
    for line in lines:
        await line.say("", "Who am I?", headers={header: "room-9"})
        assert [who for who, words in WORDS.items() if words in line.sent()] == [line.actor]


async def test_ids_in_a_row_can_be_guessed_and_not_taken(lines: tuple[Line, Line]) -> None:
    ada, eve = lines
    ids = [f"call-{number}" for number in range(20)]
    assert {(await eve.say(thread_id)).status_code for thread_id in ids} == {200}
    answers = [await ada.say(thread_id) for thread_id in ids]
    assert [(answer.status_code, answer.headers["x-thread-id"]) for answer in answers] == [
        (200, thread_id) for thread_id in ids
    ]


async def test_an_import_takes_no_ids_from_others(lines: tuple[Line, Line]) -> None:
    ada, eve = lines
    for number in range(3):
        await eve.say(f"call-{number}")
    exported = (await eve.client.get("/v1/export")).json()
    done = (await ada.client.post("/v1/import", json=exported)).json()
    assert (done["added"]["threads"], done["renamed"].keys() & {f"call-{n}" for n in range(3)}) == (3, set())
    assert sorted(await ada.names()) == ["call-0", "call-1", "call-2"]
    answer = await eve.say("call-1", "Who am I?")
    assert (answer.status_code, answer.headers["x-thread-id"]) == (200, "call-1")
    assert WORDS[EVE] in eve.sent()
    again = (await ada.client.post("/v1/import", json=exported)).json()
    assert again["added"]["threads"] == 0


async def test_nobody_finds_out_which_ids_others_have(lines: tuple[Line, Line]) -> None:
    ada, eve = lines
    await ada.say("room-7")

    async def looked_at(thread_id: str) -> list[Any]:
        """Return all that Eve is answered about an id, with `ID` for the id itself."""
        answers = [
            await eve.client.get(f"/v1/threads/{thread_id}"),
            await eve.client.get(f"/v1/threads/{thread_id}/messages"),
            await eve.client.post(f"/v1/threads/{thread_id}/interrupt", json={"heard": "I"}),
            await eve.client.delete(f"/v1/threads/{thread_id}"),
            await eve.client.post("/v1/forget", json={"what": "thread", "name": thread_id}),
            await eve.say(thread_id),
            await eve.client.get(f"/v1/threads/{thread_id}/messages"),
            await eve.client.delete(f"/v1/threads/{thread_id}"),
        ]
        shown = [(answer.status_code, sorted(answer.headers.keys())) for answer in answers]
        names = [answer.headers.get("x-thread-id", "").replace(thread_id, "ID") for answer in answers]
        texts = [answer.json().get("error", {}) for answer in answers]
        return [shown, names, str(texts).replace(thread_id, "ID")]

    assert await looked_at("room-7") == await looked_at("room-8")
    assert await ada.names() == ["room-7"]
    await ada.say("room-7", "Who am I?")
    assert WORDS[ADA] in ada.sent()


async def test_the_key_of_another_s_thread_opens_nothing(lines: tuple[Line, Line]) -> None:
    ada, eve = lines
    await ada.say("room-7")
    key = "acme\x1fada\x1froom-7"
    assert (await eve.say(key)).status_code == 400
    for path in ("", "/messages", "/checkpoints"):
        assert (await eve.client.get(f"/v1/threads/{key.replace(chr(31), '%1F')}{path}")).status_code == 404
    assert len((await ada.client.get("/v1/threads/room-7/messages")).json()["data"]) == 2


async def agents(line: Line, *names: str) -> None:
    for name in names:
        assert (await line.client.post("/v1/agents", json={"name": name})).status_code == 201


async def test_two_agents_in_one_room_have_a_thread_each_that_is_always_the_same(
    lines: tuple[Line, Line], serve: Serve
) -> None:
    ada, _ = lines
    await agents(ada, "nina", "omar")
    ids = [
        (await ada.say("room-9", f"For {agent}.", agent=agent)).headers["x-thread-id"]
        for agent in ("nina", "omar")
    ]
    assert ids[0] == "room-9"
    assert ids[1].startswith("room-9~")
    # As the client named it, as it was answered, and in another process.
    assert (await ada.say(ids[1], "More.", agent="omar")).headers["x-thread-id"] == ids[1]
    async with serve(ada.model) as served, served.client(await served.key(ADA)) as client:
        again = Line(client=client, actor=ADA, model=ada.model)
        assert (await again.say("room-9", "And?", agent="omar")).headers["x-thread-id"] == ids[1]
        assert "For omar." in again.sent()
        assert "For nina." not in again.sent()
        await client.delete("/v1/threads/room-9")
    async with serve(ada.model) as served, served.client(await served.key(ADA)) as client:
        again = Line(client=client, actor=ADA, model=ada.model)
        assert (await again.say("room-9", "And?", agent="omar")).headers["x-thread-id"] == ids[1]
        assert (await client.get(f"/v1/threads/{ids[1]}")).json()["agent_name"] == "omar"


async def test_a_thread_that_was_called_otherwise_while_somebody_else_had_its_id_goes_on(
    lines: tuple[Line, Line],
) -> None:
    ada, eve = lines
    earlier = own_name(EVE, "default", "room-9")  # As earlier versions called it.
    await ada.say("room-9")
    await eve.say(earlier)
    eve.model.requests.clear()
    answer = await eve.say("room-9", "Who am I?")
    assert answer.headers["x-thread-id"] == earlier
    assert [who for who, words in WORDS.items() if words in eve.sent()] == [EVE]


async def test_an_agent_whose_own_id_of_a_room_is_taken_gets_another_one(lines: tuple[Line, Line]) -> None:
    ada, _ = lines
    await agents(ada, "nina", "omar")
    taken = own_name(ADA, "omar", "room-9")
    for thread_id in ("room-9", taken):
        await ada.say(thread_id, "For nina.", agent="nina")
    answers = [await ada.say("room-9", "For omar.", agent="omar") for _ in range(2)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-thread-id"] for answer in answers}) == 1
    assert answers[0].headers["x-thread-id"] not in ("room-9", taken)
    assert "For nina." not in ada.sent()


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u4e00"])
async def test_the_longest_ids_that_differ_in_the_last_character_are_two_threads(
    lines: tuple[Line, Line], letter: str
) -> None:
    ada, _ = lines
    await agents(ada, "nina", "omar")
    ids = [letter * 199 + end for end in "ab"]
    said: list[str] = []
    for agent in ("nina", "omar"):
        for thread_id in ids:
            words = f"{agent} {thread_id[-1]}."
            assert (await ada.say(thread_id, words, agent=agent)).status_code == 200
            said.append(words)
            assert [each for each in said if each in ada.sent()] == [words]
    threads = (await ada.client.get("/v1/threads")).json()["data"]
    assert len(threads) == 4
    assert max(len(thread["id"]) for thread in threads) <= 200


async def test_a_call_without_an_id_goes_on_under_the_name_that_it_was_given(
    lines: tuple[Line, Line],
) -> None:
    ada, _ = lines
    said = [{"role": "user", "content": WORDS[ADA]}]
    shown = list[str]()
    for more in ("Who am I?", "And when?"):
        body = {"model": "default", "messages": said}
        answer = await ada.client.post("/v1/chat/completions", json=body)
        shown.append(answer.headers["x-thread-id"])
        said += [answer.json()["choices"][0]["message"], {"role": "user", "content": more}]
    assert len(set(shown)) == 1
    assert await ada.names() == shown[:1]
