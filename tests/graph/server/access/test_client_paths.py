"""Paths, methods and headers as clients really send them."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_app import Serve

from voicegraph.graph.server.access.client_paths import usual_path
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor

COMPLETIONS = "/v1/chat/completions"
PATHS = {
    "a base url that ends in a slash": ("/v1//chat/completions", COMPLETIONS),
    "a host that ends in a slash": ("//v1/chat/completions", COMPLETIONS),
    "slashes everywhere": ("//v1//chat//completions//", COMPLETIONS),
    "a version from both the url and the client": ("/v1/v1/chat/completions", COMPLETIONS),
    "a url without a version": ("/chat/completions", COMPLETIONS),
    "a slash at the end": ("/v1/chat/completions/", COMPLETIONS),
    "a url that is the whole path": ("/v1/chat/completions/chat/completions", COMPLETIONS),
    "a url that is the whole path and a version": ("/v1/chat/completions/v1/chat/completions", COMPLETIONS),
    "a url as other servers have it": ("/api/v1/chat/completions", COMPLETIONS),
    "a url as other clouds have it": ("/openai/v1/chat/completions", COMPLETIONS),
    "a url with a blank at its end": ("/v1 /chat/completions", COMPLETIONS),
    "a url that ends in chat": ("/v1/chat/chat/completions", COMPLETIONS),
    "models of a url that is the whole path": ("/v1/chat/completions/models", "/v1/models"),
    "models without a version": ("/models", "/v1/models"),
    "models with two versions and a slash": ("/v1/v1/models/", "/v1/models"),
    "one model without a version": ("/models/nina", "/v1/models/nina"),
    "an agent's path twice": (
        "/v1/agents/nina/chat/completions/chat/completions",
        "/v1/agents/nina/chat/completions",
    ),
    "an agent's path without a version": (
        "/agents/nina/chat/completions",
        "/v1/agents/nina/chat/completions",
    ),
    "an agent's models": ("/v1/agents/nina/models", "/v1/models"),
    "the older path": ("/v1/voice-beta/nina/chat/completions/", "/v1/voice-beta/nina/chat/completions"),
    "an agent that is called chat": ("/v1/agents/chat/chat/completions", "/v1/agents/chat/chat/completions"),
    "health with a version": ("/v1/health", "/health"),
    "ready with a slash": ("/ready/", "/ready"),
    "another route": ("/v1/blocks//b1/", "/v1/blocks/b1"),
    "an agent whose name ends with a blank": ("/v1/agents/nina /blocks", "/v1/agents/nina /blocks"),
    "a thread id with slashes": ("/v1/threads/a//b/", "/v1/threads/a//b/"),
    "all threads": ("/v1/threads/", "/v1/threads"),
    "a thread after two versions": ("/v1/v1/threads/a//b", "/v1/threads/a//b"),
    "a page": ("/docs", "/docs"),
    "nothing": ("/", "/"),
    "a version alone": ("/v1/", "/v1/"),
}


@pytest.mark.parametrize(("asked", "served"), PATHS.values(), ids=PATHS)
def test_a_path_is_brought_into_its_usual_form(asked: str, served: str) -> None:
    assert usual_path(asked) == served


@given(
    st.lists(
        st.sampled_from(["v1", "api", "chat", "completions", "models", "agents", "threads", "x", " ", ""])
    )
)
def test_a_path_in_its_usual_form_stays(segments: list[str]) -> None:
    once = usual_path("/" + "/".join(segments))
    assert usual_path(once) == once


CHAT_PATHS = [asked for asked, served in PATHS.values() if served == COMPLETIONS]


@pytest.mark.parametrize("path", CHAT_PATHS)
async def test_a_client_with_an_odd_base_url_gets_its_answer(serve: Serve, path: str) -> None:
    async with serve(ScriptedChatModel(["Hello."])) as served, served.client() as client:
        url = httpx.URL("http://localhost", raw_path=quote(path).encode())
        answer = await client.post(url, json={"messages": [{"role": "user", "content": "Hi"}]})
    assert answer.json()["choices"][0]["message"]["content"] == "Hello."


async def test_models_are_listed_at_odd_paths_too(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        answers = [await client.get(path) for path in ("/models", "/v1/models/", "/v1/v1/models")]
    assert [answer.json()["data"][0]["id"] for answer in answers] == ["default"] * 3


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/models"])
async def test_a_head_request_is_answered_as_get_without_the_body(serve: Serve, path: str) -> None:
    async with serve() as served, served.client() as client:
        answer, whole = await client.head(path), await client.get(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == whole.headers["content-type"]


async def test_a_head_request_cannot_begin_a_turn(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        assert (await client.head(COMPLETIONS)).status_code == 405


async def test_a_web_page_may_ask_and_read_the_thread(serve: Serve) -> None:
    async with serve(ScriptedChatModel(["Hello."])) as served:
        key = await served.key(Actor("acme", "ada"))
        async with served.client(key) as client:
            page = {"Origin": "https://page.example"}
            asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-thread-id"}
            preflight = await client.options(COMPLETIONS, headers={**page, **asked})
            body = {"messages": [{"role": "user", "content": "Hi"}]}
            answer = await client.post(COMPLETIONS, json=body, headers=page)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-headers"] == "x-thread-id"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "X-Thread-Id"


async def test_a_web_page_of_another_site_gets_nothing_without_a_key(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        answer = await client.get("/v1/models", headers={"Origin": "https://page.example"})
    assert answer.status_code == 401


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_thread_id_comes_back_in_the_encoding_in_which_it_was_sent(
    serve: Serve, encoding: str
) -> None:
    named = "café-7".encode(encoding)
    model = ScriptedChatModel(["Hello.", "Still here."])
    async with serve(model) as served, served.client() as client:
        said: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}
        for body in (said, {**said, "stream": True}):
            answer = await client.post(COMPLETIONS, json=body, headers=[(b"X-Thread-Id", named)])
            assert dict(answer.headers.raw)[b"x-thread-id"] == named
        history = await client.get("/v1/threads/café-7")
    assert history.json()["id"] == "café-7"


async def test_a_thread_id_in_another_script_is_taken(serve: Serve) -> None:
    named = "звонок-七".encode()
    async with serve(ScriptedChatModel(["Hello."])) as served, served.client() as client:
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        answer = await client.post(COMPLETIONS, json=body, headers=[(b"X-LiveKit-Room-ID", named)])
    assert answer.headers["x-thread-id"] == "звонок-七"


async def test_half_a_character_in_a_thread_id_is_replaced(serve: Serve) -> None:
    body = b'{"messages": [{"role": "user", "content": "Hi"}], "metadata": {"thread_id": "call-\\ud83d"}}'
    async with serve(ScriptedChatModel(["Hello."])) as served, served.client() as client:
        answer = await client.post(COMPLETIONS, content=body)
    assert answer.headers["x-thread-id"] == "call-\ufffd"
