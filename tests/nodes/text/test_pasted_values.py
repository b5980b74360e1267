"""Keys and addresses as people paste them."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.text.pasted_values import checked_token, checked_url, cleaned
from voicegraph.state.errors import InvalidSetting

AROUND = st.text(" \t\r\n\"'`“”‘’„«»\ufeff\u200b\u00a0\u2028", max_size=6)
VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "\"'`")
KEYS = st.text(VISIBLE, min_size=1, max_size=40)
ANYTHING = st.text(max_size=40)
HOSTS = st.sampled_from(["api.openai.com", "localhost", "127.0.0.1", "[::1]", "llm.example.org", "10.0.0.7"])
PATHS = st.lists(st.text("abcv1-", min_size=1, max_size=6), max_size=3).map("/".join)
ENDS = st.sampled_from(
    ["", "/", "//", "/chat/completions", "/chat/completions/", "/responses", "/embeddings"]
)


@given(AROUND, KEYS, AROUND)
def test_what_stands_around_a_key_is_cut_off(before: str, key: str, after: str) -> None:
    assert checked_token("OPENAI_API_KEY", before + key + after) == key


@given(ANYTHING)
def test_cleaning_once_is_enough(text: str) -> None:
    assert cleaned(cleaned(text)) == cleaned(text)
    assert cleaned(text) in text


@given(ANYTHING)
def test_a_key_fits_into_a_header_or_is_refused_without_its_value(text: str) -> None:
    try:
        token = checked_token("OPENAI_API_KEY", text)
    except InvalidSetting as error:
        assert str(error).startswith("OPENAI_API_KEY ")
        assert "\n" not in str(error) and (len(text) < 4 or text not in str(error))
    else:
        assert all(0x21 <= ord(character) <= 0x7E for character in token)


@given(
    st.sampled_from(["http", "https", "HTTP"]),
    HOSTS,
    st.sampled_from(["", ":8080"]),
    PATHS,
    ENDS,
    AROUND,
    AROUND,
)
def test_a_url_keeps_its_server_and_path_alone(
    scheme: str, host: str, port: str, path: str, end: str, before: str, after: str
) -> None:
    url = checked_url("OPENAI_BASE_URL", f"{before}{scheme}://{host}{port}/{path}{end}{after}")
    assert url == checked_url("OPENAI_BASE_URL", url)
    assert url.startswith(f"{scheme.lower()}://{host}{port}") and not url.endswith("/")
    assert url.removeprefix(f"{scheme.lower()}://{host}{port}") in (f"/{path}" if path else "", "/v1")


@given(ANYTHING)
def test_a_url_is_usable_or_refused_in_one_line(text: str) -> None:
    try:
        url = checked_url("OPENAI_BASE_URL", text)
    except InvalidSetting as error:
        assert str(error).startswith("OPENAI_BASE_URL ") and "\n" not in str(error)
    else:
        assert httpx2.URL(url).host


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("https://api.openai.com//v1", "https://api.openai.com/v1"),
        ('"http://localhost:11434/v1"\r\n', "http://localhost:11434/v1"),
        ("“http://localhost:11434/v1”", "http://localhost:11434/v1"),
        ("http://localhost:11434/v1/chat/completions", "http://localhost:11434/v1"),
        ("http://localhost:11434/v1/chat/completions/ ", "http://localhost:11434/v1"),
        ("http://user:secret@10.0.0.7/v1", "http://user:secret@10.0.0.7/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("http://localhost:1234", "http://localhost:1234"),
    ],
)
def test_a_url_that_can_be_meant_is_taken(text: str, url: str) -> None:
    assert checked_url("OPENAI_BASE_URL", text) == url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("localhost:11434/v1", "http://"),
        ("api.openai.com/v1", "http://"),
        ("//api.openai.com/v1", "http://"),
        ("https:/api.openai.com/v1", "http://"),
        ("ftp://api.openai.com/v1", "http://"),
        ("http:\\\\localhost", "backslash"),
        ("http://local host/v1", "blank"),
        ("http://localhost\n/v1", "line break"),
        ("http://localhost/'v1", "quote"),
        ("http://", "no server"),
        ("http:///v1", "no server"),
        ("http://localhost:port/v1", "no server"),
        ("http://localhost:99999/v1", "no server"),
        ("http://localhost:0/v1", "no server"),
        ("http://[::1/v1", "no server"),
        ("http://http://localhost/v1", "no server"),
        ("https://x.example/v1?api-version=1", "remove the part"),
        ("https://x.example/v1#top", "remove the part"),
        ("https://x.example/v1?", "remove the part"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(text: str, told: str) -> None:
    with pytest.raises(InvalidSetting, match="^OPENAI_BASE_URL ") as refused:
        checked_url("OPENAI_BASE_URL", text)
    assert told in str(refused.value)
