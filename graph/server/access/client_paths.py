"""Accept requests as real clients make them: unusual paths, `HEAD`, and pages of other origins."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COMPLETIONS = ["chat", "completions"]
_BASES = ("v1", "api", "openai")
"""Prefixes that clients put before a path; apart from the version, no route starts with one."""
_WORDS = {*_BASES, *_COMPLETIONS, "models", "health", "ready", "metrics"}
_AGENT_PREFIXES = ("agents", "voice-beta")


class ClientPaths:
    """Maps the paths that clients build from a base URL to the path of the route.

    Clients append a path to their base URL, which may end in a slash, lack `/v1` or already contain the whole
    path. A `HEAD` request is answered like `GET`, without the body.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests on to `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the route's path."""
        if scope["type"] == "http":
            path = usual_path(scope["path"])
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "replace")}
            if scope["method"] == "HEAD":
                scope, send = {**scope, "method": "GET"}, _without_body(send)
        await self.app(scope, receive, send)


class BrowserAccess:
    """Lets web pages of any origin use the API (CORS); they need a key as every client does.

    Requests without an `Origin` header (nearly all) are passed on unchanged.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests on to `app`."""
        self.app = app
        self._shared = CORSMiddleware(
            app, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=["X-Thread-Id"]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, and add the CORS headers to other responses."""
        asked = scope["type"] == "http" and any(name == b"origin" for name, _ in scope["headers"])
        await (self._shared if asked else self.app)(scope, receive, send)


def usual_path(path: str) -> str:
    """Return the route's path for `path`; an unknown path is returned unchanged."""
    # Strip only the route's own words: an agent's name may begin or end with a blank.
    segments = [part.strip() if part.strip() in _WORDS else part for part in path.split("/") if part]
    begin = next((place for place, segment in enumerate(segments) if segment not in _BASES), len(segments))
    versions, rest = segments[:begin], segments[begin:]
    if not rest:
        return path
    if rest[0] in ("health", "ready", "metrics") and len(rest) == 1:
        return f"/{rest[0]}"
    if rest[0] == "threads" and len(rest) > 1:  # Thread ids may contain slashes.
        return "/v1/" + path[path.index("threads") :] if versions else path
    served = _served(rest)
    if versions or served[0] in ("chat", "models") or served[-2:] == _COMPLETIONS:
        return "/" + "/".join(["v1", *served])
    return path


def _served(rest: list[str]) -> list[str]:
    """Return the segments after `/v1`, without those that a base URL adds before them."""
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
