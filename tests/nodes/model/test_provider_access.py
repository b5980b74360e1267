"""How a model server is reached: keys, addresses, proxies and certificates of the environment."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calling import user_says
from openai_server import OpenAIServer, text

from voicegraph.graph import Settings, build_graph, open_resources
from voicegraph.nodes.model.access import provider_access
from voicegraph.nodes.model.access.provider_access import openai_access
from voicegraph.nodes.model.catalog import Models, default_model
from voicegraph.nodes.model.embedder import open_embedder
from voicegraph.state.errors import InvalidSetting, ModelUnavailable

MODEL = "openai:gpt-4.1-mini"
FAR = "https://api.openai.com/v1"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    provider_access._warn_of_two_urls.cache_clear()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with OpenAIServer(require_key="good") as openai:
        monkeypatch.setenv("OPENAI_BASE_URL", openai.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "good")
        yield openai


async def answer(database_url: str, model: str = MODEL) -> str:
    settings = Settings(filler_after=None, model_attempts=1, raise_errors=True)
    async with open_resources(database_url, model=model, settings=settings) as resources:
        result = await build_graph(resources).ainvoke(
            user_says("Hello."), {"configurable": {"thread_id": "call-1"}}
        )
    return result["messages"][-1].text


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks://127.0.0.1:9", "socks5://127.0.0.1:9", "?"])
async def test_this_machine_is_asked_without_a_proxy(
    server: OpenAIServer, database_url: str, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    server.add(text("Hi."))
    assert await answer(database_url) == "Hi."
    async with open_embedder("openai:text-embedding-3-small") as embedder:
        assert embedder is not None
        assert await embedder.embed_query("four") == [4.0, 1.0]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_PROXY"])
async def test_another_machine_is_asked_through_the_proxy(
    server: OpenAIServer, database_url: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, server.base_url.removesuffix("/v1"))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://llm.example/v1")
    server.add(text("Hi."))
    assert await answer(database_url) == "Hi."
    assert server.requests[0].headers["host"] == "llm.example"
    async with open_embedder("openai:text-embedding-3-small") as embedder:
        assert embedder is not None
        assert await embedder.embed_query("four") == [4.0, 1.0]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "OPENAI_PROXY"])
async def test_a_proxy_that_does_not_answer_is_named(
    server: OpenAIServer, database_url: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://llm.example/v1")
    with pytest.raises(ModelUnavailable, match=f"through the proxy of {variable} failed") as failed:
        await answer(database_url)
    assert "secret" not in str(failed.value)


WRONG = {
    "ALL_PROXY": "socks://127.0.0.1:1080",
    "HTTPS_PROXY": "http://:3128",
    "OPENAI_PROXY": "ftp://proxy.example",
    "SSL_CERT_FILE": "/nowhere/certificates.pem",
    "SSL_CERT_DIR": "/nowhere/certificates",
}


@pytest.mark.parametrize("variable", WRONG)
async def test_what_cannot_be_used_is_named_when_the_model_is(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good")
    monkeypatch.setenv(variable, WRONG[variable])
    models = Models(MODEL)
    with pytest.raises(InvalidSetting, match=f"^{variable} names ") as refused:
        models.get(None)
    assert "\n" not in str(refused.value) and WRONG[variable] not in str(refused.value)
    with pytest.raises(InvalidSetting, match=f"^{variable} names "):
        async with open_embedder("openai:text-embedding-3-small"):
            pass
    await models.aclose()


def test_a_file_without_certificates_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("Dear diary")
    monkeypatch.setenv("OPENAI_API_KEY", "good")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "empty.pem"))
    with pytest.raises(InvalidSetting, match="^SSL_CERT_FILE names no readable certificates"):
        Models(MODEL).get(None)


@pytest.mark.parametrize(
    "key", ["good\n", "good\r\n", " good\t", '"good"', "“good”", "'good'\n", "\ufeffgood"]
)
async def test_a_key_is_taken_without_what_stands_around_it(
    server: OpenAIServer, database_url: str, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("OPENAI_BASE_URL", f'"{server.base_url}/chat/completions"\r\n')
    monkeypatch.setenv("OPENAI_ORG_ID", " acme\n")
    monkeypatch.setenv("OPENAI_PROJECT", "'phone'\r\n")
    server.add(text("Hi."))
    assert await answer(database_url) == "Hi."
    headers = server.requests[0].headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("acme", "phone")
    async with open_embedder("openai:text-embedding-3-small") as embedder:
        assert embedder is not None
        assert await embedder.embed_query("four") == [4.0, 1.0]


@pytest.mark.parametrize("variable", ["OPENAI_ORG_ID", "OPENAI_ORGANIZATION", "OPENAI_PROJECT_ID"])
async def test_a_blank_organization_or_project_is_not_sent(
    server: OpenAIServer, database_url: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, " \n")
    server.add(text("Hi."))
    assert await answer(database_url) == "Hi."
    assert not {"openai-organization", "openai-project"} & server.requests[0].headers.keys()
    async with open_embedder("openai:text-embedding-3-small") as embedder:
        assert embedder is not None
        assert await embedder.embed_query("four") == [4.0, 1.0]


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("OPENAI_API_KEY", "sk-first\nsk-second", "a line break"),
        ("OPENAI_API_KEY", "sk-fürst", "not ASCII"),
        ("OPENAI_API_KEY", "Bearer sk-first", "a blank"),
        ("OPENAI_BASE_URL", "localhost:8080/v1", "must start with http"),
        ("OPENAI_BASE_URL", "http://local host/v1", "a blank"),
        ("OPENAI_API_BASE", "localhost:8080/v1", "must start with http"),
        ("OPENAI_ORG_ID", "acme\ninc", "a line break"),
        ("OPENAI_PROJECT", "téléphone", "not ASCII"),
    ],
)
async def test_what_can_never_be_sent_is_named_at_opening(
    database_url: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good")
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting, match=f"^{variable} .*{told}") as refused:
        async with open_resources(database_url):
            pass
    assert value not in str(refused.value) and "\n" not in str(refused.value)


async def test_a_wrong_key_does_no_harm_where_another_model_answers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicegraph.nodes.testing import ScriptedChatModel

    monkeypatch.setenv("OPENAI_API_KEY", "sk-first\nsk-second")
    async with open_resources(database_url, model=ScriptedChatModel([])):
        pass


@pytest.mark.parametrize("empty", ["", " ", '""', "\r\n"])
async def test_an_empty_key_or_address_is_not_set(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.setenv(name, empty)
    assert default_model() == "local:smollm2"
    with pytest.raises(InvalidSetting, match="needs a key"):
        Models(MODEL).get(None)
    monkeypatch.setenv("OPENAI_API_KEY", "good")
    models = Models(MODEL)
    chat: Any = models.get(None).chat
    assert str(chat.root_async_client.base_url) == f"{FAR}/"
    await models.aclose()


async def test_the_newer_name_of_the_address_wins_and_one_line_tells_so(
    server: OpenAIServer, database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/secret")
    server.add(text("Hi."))
    assert await answer(database_url) == "Hi."
    lines = [record for record in caplog.records if record.name == provider_access.__name__]
    assert [record.levelno for record in lines] == [logging.WARNING]
    assert lines[0].getMessage() == "OPENAI_BASE_URL and OPENAI_API_BASE differ: OPENAI_BASE_URL is used"


async def test_the_older_name_of_the_address_serves_alone(
    server: OpenAIServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("OPENAI_API_BASE", server.base_url)
    server.add(text("Hi."))
    assert await answer(database_url) == "Hi."


def test_two_equal_addresses_are_not_worth_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1/ ")
    assert openai_access().base_url == "http://127.0.0.1:9/v1"
    assert not caplog.records


async def test_models_of_many_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good")
    monkeypatch.setattr("voicegraph.nodes.model.catalog.MOST_MODELS", 3)
    models = Models(MODEL)
    kept: Any = object()
    models.add("openai:mine", kept)
    for number in range(6):
        assert models.get(f"openai:model-{number}").name == f"openai:model-{number}"
    assert len(models._made) == 3
    assert models.get("openai:mine").chat is kept
    await models.aclose()
