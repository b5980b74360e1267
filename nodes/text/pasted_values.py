"""Clean pasted keys and addresses of surrounding blanks, line breaks and quotes.

Errors name the variable of an invalid value, never the value.
"""

import re
import unicodedata
from urllib.parse import urlsplit

import httpx2

from ...state.errors import InvalidSetting

_QUOTES = frozenset("\"'`´“”„‟‘’‚‛«»‹›″′＂＇")
_INVISIBLE = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))
"""Unicode categories of control characters, blanks and marks such as the byte-order mark."""
_ENDPOINT = re.compile(r"/+(chat/completions|completions|responses|embeddings|models)$")
_NEEDS_VERSION = "api.openai.com"


def cleaned(text: str) -> str:
    """Return the text without surrounding blanks, line breaks, invisible characters and quotes."""
    begin, end = 0, len(text)
    while begin < end and _is_wrapping(text[begin]):
        begin += 1
    while begin < end and _is_wrapping(text[end - 1]):
        end -= 1
    return text[begin:end]


def checked_token(variable: str, text: str) -> str:
    """Return a cleaned key or name that is valid in a header, or raise `InvalidSetting`."""
    token = cleaned(text)
    _refuse_invisible(variable, token)
    if not token.isascii():
        raise InvalidSetting(f"{variable} contains a character that is not ASCII: copy it again")
    return token


def checked_url(variable: str, text: str) -> str:
    """Return the cleaned base URL of a server, without a trailing endpoint or slash.

    Raises `InvalidSetting` if it is not valid.
    """
    url = cleaned(text)
    _refuse_invisible(variable, url)
    if any(character in _QUOTES or character == "\\" for character in url):
        raise InvalidSetting(f"{variable} contains a quote or a backslash: write the plain URL")
    if not re.match("https?://", url, re.IGNORECASE):
        raise InvalidSetting(f"{variable} must start with http:// or https://")
    if "?" in url or "#" in url:
        raise InvalidSetting(f"{variable} must end with its path: remove the part from ? or # on")
    try:
        parts = urlsplit(url)
        path = _ENDPOINT.sub("", re.sub("/{2,}", "/", parts.path).rstrip("/")).rstrip("/")
        if not path and parts.hostname == _NEEDS_VERSION:
            path = "/v1"
        plain = f"{parts.scheme}://{parts.netloc}{path}"
        usable = parts.port != 0 and bool(httpx2.URL(plain).host) and url.count("://") == 1
    except (ValueError, httpx2.InvalidURL):  # A port that is not a number, or unbalanced brackets.
        usable, plain = False, ""
    if not usable:
        raise InvalidSetting(f"{variable} names no server: write it as https://HOST:PORT/v1")
    return plain


def _is_wrapping(character: str) -> bool:
    return character in _QUOTES or _is_invisible(character)


def _is_invisible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in _INVISIBLE


def _refuse_invisible(variable: str, text: str) -> None:
    if any(map(_is_invisible, text)):
        raise InvalidSetting(
            f"{variable} contains a blank, a line break or an invisible character: copy it again"
        )
