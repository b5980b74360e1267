"""Proxies as environments name them: for others than this machine, and not for what NO_PROXY names."""

import pytest

from voicegraph.nodes.model.access.proxies import is_loopback, proxy_for
from voicegraph.state.errors import InvalidSetting

PROXY = "http://proxy.example:3128"
FAR = "https://api.openai.com/v1"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def variable_for(url: str) -> str | None:
    named = proxy_for(url)
    return None if named is None else named.variable


@pytest.mark.parametrize(
    "host",
    "localhost LOCALHOST localhost. app.localhost 127.0.0.1 127.8.9.10 127.1 ::1 [::1] ::ffff:127.0.0.1 "
    "0.0.0.0 0x7f000001".split(),
)
def test_this_machine_itself_needs_no_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert is_loopback(host)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_PROXY"):
        monkeypatch.setenv(name, "socks://nowhere")
    netloc = f"[{host}]" if ":" in host and "[" not in host else host
    assert proxy_for(f"http://{netloc}:8080/v1") is None


@pytest.mark.parametrize(
    "host", ["api.openai.com", "10.0.0.1", "notlocalhost", "localhost.example", "128.0.0.1"]
)
def test_other_machines_are_not_taken_for_it(host: str) -> None:
    assert not is_loopback(host)


def test_without_a_setting_there_is_no_proxy() -> None:
    assert proxy_for(FAR) is None


@pytest.mark.parametrize(
    ("settings", "url", "variable"),
    [
        ({"HTTPS_PROXY": PROXY}, FAR, "HTTPS_PROXY"),
        ({"https_proxy": PROXY}, FAR, "https_proxy"),
        ({"HTTP_PROXY": PROXY}, FAR, None),
        ({"HTTP_PROXY": PROXY}, "http://llm.example/v1", "HTTP_PROXY"),
        ({"ALL_PROXY": PROXY}, FAR, "ALL_PROXY"),
        ({"ALL_PROXY": PROXY, "HTTPS_PROXY": PROXY}, FAR, "HTTPS_PROXY"),
        ({"OPENAI_PROXY": PROXY, "HTTPS_PROXY": PROXY}, FAR, "OPENAI_PROXY"),
        ({"OPENAI_PROXY": "", "HTTPS_PROXY": " "}, FAR, None),
        ({"HTTPS_PROXY": f'"{PROXY}"\r\n'}, FAR, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "proxy.example:3128"}, FAR, "HTTPS_PROXY"),
    ],
)
def test_the_variable_of_the_scheme_wins(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], url: str, variable: str | None
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    named = proxy_for(url)
    assert (None if named is None else named.variable) == variable
    if named is not None:
        assert str(named.proxy.url) == PROXY


@pytest.mark.parametrize(
    ("exceptions", "host"),
    [
        ("*", "api.openai.com"),
        ("api.openai.com", "api.openai.com"),
        ("openai.com", "api.openai.com"),
        (".openai.com", "api.openai.com"),
        ("*.openai.com", "api.openai.com"),
        ("other.example, OPENAI.com", "api.openai.com"),
        ("other.example openai.com", "api.openai.com"),
        ("api.openai.com:443", "api.openai.com"),
        ("https://api.openai.com", "api.openai.com"),
        ("10.0.0.7", "10.0.0.7"),
        ("10.0.0.0/8", "10.0.0.7"),
        ("fd00::/8", "[fd00::7]"),
        ("[fd00::7]", "[fd00::7]"),
        ("[fd00::7]:443", "[fd00::7]"),
    ],
)
def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, exceptions: str, host: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert variable_for(f"https://{host}/v1") == "HTTPS_PROXY"
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert variable_for(f"https://{host}/v1") is None


@pytest.mark.parametrize(
    ("exceptions", "host"),
    [
        ("penai.com", "api.openai.com"),
        ("openai.com.example", "api.openai.com"),
        ("api.openai.com:80", "api.openai.com"),
        ("10.0.0.0/24", "10.0.1.7"),
        ("10.0.0", "10.0.0.7"),
        ("nonsense/8", "10.0.0.7"),
        (",,", "api.openai.com"),
    ],
)
def test_what_no_proxy_does_not_name_goes_through_it(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, host: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert variable_for(f"https://{host}/v1") == "HTTPS_PROXY"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "OPENAI_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "value",
    [
        "socks://user:secret@proxy.example:1080",
        "socks4://proxy.example",
        "http://",
        "http://:3128",
        "http://proxy.example:secret",
        "http://proxy.example:99999",
        "http://user:secret@proxy example",
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting, match=f"^{name} names no usable proxy") as refused:
        proxy_for(FAR)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_without_its_package_is_named(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://proxy.example:1080")
    with pytest.raises(InvalidSetting, match="^ALL_PROXY names a SOCKS proxy: install the package socksio"):
        proxy_for(FAR)
