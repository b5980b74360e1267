"""Embedders by name, by path and as LangChain has them."""

from typing import Any

import pytest
from embedding_fake import FakeEmbeddings, vector
from openai_server import OpenAIServer

from voicegraph.nodes.model.embedder import open_embedder
from voicegraph.state.errors import InvalidSetting, ModelRefused, ModelUnavailable


async def test_no_source_gives_no_embedder() -> None:
    async with open_embedder(None) as embedder:
        assert embedder is None


async def test_any_embeddings_of_langchain_embed_texts_and_queries() -> None:
    async with open_embedder(FakeEmbeddings()) as embedder:
        assert embedder is not None
        assert await embedder.embed_documents(["a cat", "a car"]) == [vector("a cat"), vector("a car")]
        assert await embedder.embed_query("a cat") == vector("a cat")


async def test_two_models_of_one_class_have_two_names() -> None:
    async with open_embedder(FakeEmbeddings("one")) as one, open_embedder(FakeEmbeddings("two")) as two:
        assert one is not None
        assert two is not None
        assert one.name != two.name


async def test_a_path_leads_to_a_factory() -> None:
    async with open_embedder("embedding_fake:FakeEmbeddings") as embedder:
        assert embedder is not None
        assert embedder.name == "embedding_fake.FakeEmbeddings:fake"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("fake", "write openai:NAME or package.module:factory"),
        ("no_such_module:make", "No module named"),
        ("embedding_fake:missing", "missing"),
        ("embedding_fake:FakeEmbedder", "FakeEmbedder is not an embedder"),
        ("openai:text-embedding-3-small", "set OPENAI_API_KEY"),
    ],
)
async def test_what_leads_to_no_embedder_is_told(source: str, told: str) -> None:
    with pytest.raises(InvalidSetting, match=told):
        async with open_embedder(source):
            pass


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Any:
    with OpenAIServer(require_key="good") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "good")
        yield server


async def test_openai_embeds_texts_and_queries(openai: OpenAIServer) -> None:
    async with open_embedder("openai:text-embedding-3-small") as embedder:
        assert embedder is not None
        assert await embedder.embed_documents(["four", "sixsix"]) == [[4.0, 1.0], [6.0, 1.0]]
        assert await embedder.embed_query("four") == [4.0, 1.0]


async def test_a_wrong_key_is_a_refusal_that_does_not_quote_it(
    openai: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong-key")
    async with open_embedder("openai:text-embedding-3-small") as embedder:
        assert embedder is not None
        with pytest.raises(ModelRefused) as refused:
            await embedder.embed_query("four")
    assert "wrong-key" not in str(refused.value)


async def test_a_server_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    async with open_embedder("openai:text-embedding-3-small") as embedder:
        assert embedder is not None
        with pytest.raises(ModelUnavailable):
            await embedder.embed_query("four")
