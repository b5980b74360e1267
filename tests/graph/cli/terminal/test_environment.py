"""Commands in environments with proxies, wrong certificates and pasted keys, as a user has them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked_python import run_python
from openai_server import OpenAIServer, text

Run = Callable[..., Any]

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)


def voicegraph(folder: Path, *arguments: str) -> tuple[int, str, str]:
    return run_python(["-m", "voicegraph.graph", *arguments], cwd=folder)


@pytest.mark.parametrize("model", ["the embedded one", "one on this machine"])
def test_wrong_proxies_and_certificates_do_not_concern_a_model_on_this_machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    if model == "the embedded one":
        pytest.importorskip("xllamacpp")
        code, out, errors = voicegraph(folder, "say", "Hello", "--thread", "call-1")
    else:
        with OpenAIServer(text("Hello.")) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            code, out, errors = voicegraph(folder, "say", "Hello", "--thread", "call-1")
    assert (code, errors) == (0, "")
    assert out.strip() and "Sorry" not in out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:1080"),
        ("HTTPS_PROXY", "http://:3128"),
        ("OPENAI_PROXY", "ftp://127.0.0.1"),
        ("SSL_CERT_FILE", "/nowhere.pem"),
        ("OPENAI_API_KEY", "sk-first\nsk-second"),
        ("OPENAI_BASE_URL", "llm.example/v1"),
    ],
)
def test_a_setting_that_a_model_elsewhere_cannot_be_reached_with_is_named_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv(name, value)
    ran = run("say", "Hello", "--thread", "call-1")
    assert (ran.code, ran.out, ran.errors.count("\n")) == (2, "", 1)
    assert ran.errors.startswith(f"voicegraph: {name} ") and "sk-" not in ran.errors


def test_commands_that_need_no_model_do_not_look_at_these_settings(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-first\nsk-second")
    assert run("agents", "create", "waiter").code == 0
    assert run("agents", "list").code == 0
