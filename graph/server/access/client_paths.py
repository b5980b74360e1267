"""Requests as clients really make them: odd paths, `HEAD`, and web pages that ask from another origin."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COMPLETIONS = ["chat", "completions"]
_BASES = ("v1", "api", "openai")
"""What clients put before a path; nothing that is served here begins so, but for the version."""
_WORDS = {*_BASES, *_COMPLETIONS, "models", "health", "ready", "metrics"}
_AGENT_PREFIXES = ("agents", "voice-beta")


class ClientPaths:
    """Maps the paths that clients build from a base URL to the one path that is served.

    Clients append a path to whatever base URL they get, which may end in a slash, lack `/v1` or hold the
    whole path already. A `HEAD` request is answered as `GET`, without the body.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests on to `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its usual path."""
        if scope["type"] == "http":
            path = usual_path(scope["path"])
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "replace")}
            if scope["method"] == "HEAD":
                scope, send = {**scope, "method": "GET"}, _without_body(send)
        await self.app(scope, receive, send)


class BrowserAccess:
    """Lets web pages of any origin use the API; they need a key as every other client does.

    Requests without an `Origin` header, which are nearly all, are passed on untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests on to `app`."""
        self.app = app
        self._shared = CORSMiddleware(
            app, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=["X-Thread-Id"]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, and add the headers that browsers ask for to other answers."""
        asked = scope["type"] == "http" and any(name == b"origin" for name, _ in scope["headers"])
        await (self._shared if asked else self.app)(scope, receive, send)


def usual_path(path: str) -> str:
    """Return the path that is served for `path`; one that leads nowhere comes back as it is."""
    # Only words of ours are stripped: the name of an agent may begin or end with a blank.
    segments = [part.strip() if part.strip() in _WORDS else part for part in path.split("/") if part]
    begin = next((place for place, segment in enumerate(segments) if segment not in _BASES), len(segments))
    versions, rest = segments[:begin], segments[begin:]
    if not rest:
        return path
    if rest[0] in ("health", "ready", "metrics") and len(rest) == 1:
        return f"/{rest[0]}"
    if rest[0] == "threads" and len(rest) > 1:  # Thread ids may hold slashes anywhere.
        return "/v1/" + path[path.index("threads") :] if versions else path
    served = _served(rest)
    if versions or served[0] in ("chat", "models") or served[-2:] == _COMPLETIONS:
        return "/" + "/".join(["v1", *served])
    return path


def _served(rest: list[str]) -> list[str]:
    """Return the segments after `/v1`, with what comes before them in a base URL left out."""
    agent = rest[:2] if rest[0] in _AGENT_PREFIXES else []
    asked = rest[len(agent) :]
    while asked[:2] == _COMPLETIONS and len(asked) > 2:
        asked = asked[2:]
        while asked[0] in _BASES and len(asked) > 1:
            asked = asked[1:]
    if asked[:1] == ["chat"] and asked[-2:] == _COMPLETIONS:
        asked = _COMPLETIONS
    return asked if asked[:1] == ["models"] else [*agent, *asked]


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head
