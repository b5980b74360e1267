"""Streams that deviate in several ways at once, read raw and by LangChain."""

import asyncio
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from ear import Ear
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from voicegraph.nodes.model.catalog import VoiceModel
from voicegraph.nodes.model.completion import Request
from voicegraph.nodes.replies.reply import Reply
from voicegraph.nodes.replies.reply_stream import stream_reply
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state.errors import ModelError


async def transfer(euros: int, to: str = "") -> str:
    """Transfer money."""
    return f"{euros} to {to}"


async def look(city: str) -> str:
    """Look at a city."""
    return city


TOOLS = (load_tool(transfer), load_tool(look))
PATHS = ("raw", "by LangChain")


@dataclass(frozen=True)
class Meant:
    """What a model means: words with thoughts between them, and calls after them."""

    words: tuple[tuple[str, str], ...]
    """Each word, and the thought before it, empty for none."""
    calls: tuple[tuple[str, dict[str, Any]], ...]

    @property
    def heard(self) -> str:
        preambles = [call.get("pre_exec_msg", "") for _, call in self.calls]
        return "".join([*(word for word, _ in self.words), *preambles])


def _without_preamble(call: dict[str, Any]) -> str:
    return json.dumps({**call, "pre_exec_msg": None}, sort_keys=True)


words = st.sampled_from(
    ["It ", "is ", "noon, ", "ha ", "ha ", "very ", "very ", "3 < 5 ", "[so] ", "Köln 🙂. "]
)
thoughts = st.sampled_from(["", "", "", "SECRET", "SECRET <b> ["])
arguments = st.fixed_dictionaries(
    {"euros": st.integers(1, 999)},
    optional={
        "pre_exec_msg": st.sampled_from(["Let me look.", "One moment."]),
        "to": st.text('aé\\"{}', max_size=5),
    },
)
cities = st.fixed_dictionaries({"city": st.sampled_from(["Rome", "Oslo", "{}", "null"])})
made = st.tuples(st.just("transfer"), arguments) | st.tuples(st.just("look"), cities)
meanings = st.builds(
    Meant,
    st.lists(st.tuples(words, thoughts), min_size=1, max_size=8).map(tuple),
    st.lists(made, max_size=3, unique_by=lambda call: _without_preamble(call[1])).map(tuple),
)
TAGS = [
    *(
        ("<think>", "</think>"),
        ("<THINKING >", "</thinking>"),
        ("[THINK]", "[/THINK]"),
        ("<reasoning>", "</think>"),
    ),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
]


class Sending:
    """Writes what a model means as a server would that deviates in the ways that are drawn."""

    def __init__(self, data: st.DataObject, meant: Meant, path: str) -> None:
        self.draw, self.meant, self.raw = data.draw, meant, path == "raw"
        self.chunks: list[dict[str, Any]] = []
        self.reason_each = self.draw(
            st.sampled_from([None, None, "", "null", "stop"]), "reason of each chunk"
        )

    def add(self, delta: dict[str, Any], **fields: Any) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": self.reason_each}
        self.chunks.append(
            {
                "id": "1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [choice],
                **fields,
            }
        )

    def text(self) -> str:
        """Return all words with their thoughts; those in a field of their own are sent at once."""
        begin, end = self.draw(st.sampled_from(TAGS), "tags")
        apart = self.draw(st.booleans(), "thoughts in a field")
        text = ""
        for word, thought in self.meant.words:
            if thought and apart:
                self.add({"reasoning_content": thought})
                thought = ""
            text += (f"{begin}{thought}{end}" if thought else "") + word
        return text + self.draw(st.sampled_from(["", "", "<|im_end|>", "</s>"]), "token at the end")

    def words(self) -> None:
        text = self.text()
        cuts = sorted(self.draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=8), "cuts"))
        places = [*(cut for cut in cuts if cut < len(text)), len(text)]
        if (
            len(places) > 4
            and any(map(str.isalpha, text[: places[0]]))
            and self.draw(st.booleans(), "cumulative")
        ):
            for place in places:
                self.add({"content": text[:place]})
        else:
            for start, place in zip([0, *places], places, strict=False):
                self.add({"content": text[start:place]})
        if self.raw and self.draw(st.booleans(), "whole message at the end"):
            message = {"role": "assistant", "content": text}
            self.chunks.append(
                {"choices": [{"index": 0, "message": message, "finish_reason": self.reason_each}]}
            )

    def calls(self) -> None:
        ways = ["right", "zero", "none"] if self.raw else ["right", "zero"]
        indexes = self.draw(st.sampled_from(ways), "indexes")
        has_ids = self.draw(st.booleans(), "ids")
        form = self.draw(
            st.sampled_from(["fragments", "whole", "encoded", "after {}", "fenced", "object"]), "form"
        )
        repeated = self.draw(st.sampled_from(["", "id", "name", "id and name"]), "on each fragment")
        for place, (name, call) in enumerate(self.meant.calls):
            shown = {"right": {"index": place}, "zero": {"index": 0}, "none": {}}[indexes]
            identity = {"id": f"call_{place}"} if has_ids else {}
            text = json.dumps(call, ensure_ascii=self.draw(st.booleans()))
            pieces: list[Any] = [text]
            if form == "fragments":
                pieces = ["", text[:5], text[5:9], text[9:]]
            elif form == "encoded":
                pieces = [json.dumps(text)]
            elif form == "after {}":
                pieces = ["{}", text]
            elif form == "fenced":
                pieces = [f"```json\n{text}\n```"]
            elif form == "object" and self.raw:
                pieces = [call]
            for number, piece in enumerate(pieces):
                first = number == 0
                function = {"arguments": piece} | ({"name": name} if first or "name" in repeated else {})
                with_id = identity if first or "id" in repeated else {}
                self.add({"tool_calls": [{**shown, **with_id, "function": function}]})
            if form != "fenced" and self.draw(st.booleans(), "again"):
                again = {**shown, **({"index": place + 7} if has_ids and shown else {})}
                self.add(
                    {"tool_calls": [{**again, **identity, "function": {"name": name, "arguments": text}}]}
                )

    def end(self) -> list[str]:
        """Return the events of the stream with its end."""
        ends = self.draw(st.sampled_from(["both", "reason", *(["done"] if self.raw else [])]), "end")
        if ends != "done":
            self.reason_each = "tool_calls" if self.meant.calls else "stop"
            self.add({})
        odd = [{"prompt_tokens": 7, "completion_tokens": 2}]
        odd += (
            [{"prompt_tokens": "7", "completion_tokens": None}, [], "many", {"prompt_tokens": -2.5}]
            if self.raw
            else []
        )
        if self.draw(st.booleans(), "usage"):
            self.chunks.append({"id": "1", "choices": [], "usage": self.draw(st.sampled_from(odd))})
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in self.chunks]
        return [*events, *(["data: [DONE]\n\n"] if ends != "reason" else [])]


async def heard_of(ear: Ear, path: str, events: list[str], size: int) -> tuple[Reply, ModelError | None]:
    """Return the reply that a server's events make, and why it failed if it did."""
    body = "".join(events).encode()

    class Bytes(httpx2.AsyncByteStream):
        async def __aiter__(self) -> Any:
            for start in range(0, len(body), size):
                yield body[start : start + size]

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Bytes())

    kind = ChatOpenAI if path == "raw" else type("AnyChatModel", (ChatOpenAI,), {})
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        chat = kind(
            model="m",
            api_key=SecretStr("k"),
            base_url="http://x/v1",
            max_retries=0,
            http_async_client=client,
            stream_chunk_timeout=None,
        )  # pyright: ignore
        speaker = await ear.listen()
        reply = Reply(speaker, [tool.name for tool in TOOLS])
        request = Request(prompt="", window=[HumanMessage("Hello?")], tools=TOOLS)
        limits = TurnLimits(filler_after=None, model_attempts=1)
        context: Any = SimpleNamespace(limits=limits, thread_id="call-42")
        turn: Any = {}
        try:
            await stream_reply(context, turn, reply, [VoiceModel(name="m", chat=chat)], lambda _: request)
        except ModelError as error:
            return reply, error
    return reply, None


def bare(text: str) -> str:
    return "".join(text.split())


ALL_CHECKS: Any = list(HealthCheck)
SLOW = settings(max_examples=60, suppress_health_check=ALL_CHECKS)


@pytest.mark.parametrize("path", PATHS)
@SLOW
@given(data=st.data(), meant=meanings, size=st.integers(1, 400))
def test_each_word_and_each_call_counts_once(
    path: str, new_ear: type[Ear], data: st.DataObject, meant: Meant, size: int
) -> None:
    sending = Sending(data, meant, path)
    sending.words()
    sending.calls()
    ear = new_ear()
    reply, error = asyncio.run(heard_of(ear, path, sending.end(), size))
    assert error is None
    assert bare(ear.heard) == bare(meant.heard)
    calls = [(call["name"], call["args"]) for call in reply.message("m", 1.0, ()).tool_calls]
    assert calls == list(meant.calls)


FAILURES = [
    *('data: {"error": {"message": "no"}}\n\n', 'event: error\ndata: {"message": "no"}\n\n'),
    *('data: {"object": "error", "message": "no", "code": 500}\n\n', 'data: {"detail": "no"}\n\n'),
    *(
        'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "network_error"}]}\n\n',
        "",
        "data: {broken\n\n",
    ),
]


@SLOW
@given(data=st.data(), meant=meanings, size=st.integers(1, 400), failure=st.sampled_from(FAILURES))
def test_a_reply_that_breaks_off_is_never_taken_for_a_whole_one(
    new_ear: type[Ear], data: st.DataObject, meant: Meant, size: int, failure: str
) -> None:
    sending = Sending(data, meant, "raw")
    sending.reason_each = data.draw(st.sampled_from([None, "", "null"]))
    sending.words()
    events = [f"data: {json.dumps(chunk)}\n\n" for chunk in sending.chunks]
    place = data.draw(st.integers(0, len(events)))
    ear = new_ear()
    _, error = asyncio.run(heard_of(ear, "raw", [*events[:place], failure], size))
    assert error is not None
    assert bare(meant.heard).startswith(bare(ear.heard))
