"""Which answer a request gets, and how its end is recorded."""

import asyncio
import base64
import struct
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, cast

from . import failures
from .chunks import encode
from .conversation import validate_request
from .exchange import Exchange
from .recording import Recorded, Recording
from .script import Answer, Reply
from .wire import Connection, Dropped, Request, parse_json


class Answering:
    """Serve the requests of each connection by the script."""

    def __init__(
        self,
        replies: Iterable[Answer],
        default: Answer | None,
        require_key: str | None,
        models: Collection[str] | None,
        strict: bool,
        recording: Recording,
    ) -> None:
        self.queue = deque(replies)
        self.violations: list[str] = []
        self.unexpected: list[Recorded] = []
        self.broken: list[BaseException] = []
        self.stopping = False
        self._default = default
        self._require_key = require_key
        self._models = models
        self._strict = strict
        self._recording = recording

    async def serve(self, connection: Connection) -> None:
        """Answer one request after the other until the client or the script ends the connection."""
        try:
            while (request := await connection.read_request()) is not None:
                match request.method, request.path.partition("?")[0]:
                    case "POST", "/v1/chat/completions":
                        await self._complete(connection, request)
                    case "POST", "/v1/embeddings":
                        await self._embed(connection, request)
                    case "GET", "/v1/models":
                        await self._send_models(connection, request)
                    case method, path:
                        await self._send(
                            connection, failures.error(404, None, f"Invalid URL ({method} {path})")
                        )
        except (Dropped, ConnectionError):
            return
        finally:
            connection.writer.close()

    async def _complete(self, connection: Connection, request: Request) -> None:
        try:
            body = parse_json(request.body)
        except ValueError:
            body = None
        recorded = self._recording.arrived(
            cast(dict[str, Any], body) if isinstance(body, dict) else {}, request.headers
        )
        reply = self._refusal(request, recorded) or self._next(recorded)
        sending = asyncio.ensure_future(Exchange(connection, reply, recorded, self._recording).run())
        connection.on_leave = sending.cancel
        if connection.left_at is not None:
            sending.cancel()
        try:
            await sending
        except asyncio.CancelledError:
            if self.stopping or connection.left_at is None:
                self._recording.ended(recorded, "dropped")
                raise
            self._recording.ended(recorded, "client_closed", connection.left_at)
        except ConnectionError:
            self._recording.ended(recorded, "client_closed", connection.left_at)
            raise
        finally:
            connection.on_leave = None

    def _refusal(self, request: Request, recorded: Recorded) -> Reply | None:
        """Return the error that OpenAI would answer with, None when it would go on."""
        if (refused := self._refused_key(request)) is not None:
            return refused
        if not recorded.body:
            recorded.violations = ["We could not parse the JSON body of your request."]
        elif self._models is not None and recorded.body.get("model") not in self._models:
            return failures.unknown_model(str(recorded.body.get("model")))
        elif self._strict:
            recorded.violations = validate_request(recorded.body)
        if not recorded.violations:
            return None
        self.violations += recorded.violations
        return failures.error(400, None, recorded.violations[0])

    def _refused_key(self, request: Request) -> Reply | None:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        return None if self._require_key in (None, key) else failures.invalid_key(key)

    def _next(self, recorded: Recorded) -> Reply:
        answer = self.queue.popleft() if self.queue else self._default
        try:
            if answer is not None:
                return answer if isinstance(answer, Reply) else answer(recorded.body)
            message = f"The script has no reply for request {recorded.index}."
        except Exception as error:
            self.broken.append(error)
            message = f"The script failed at request {recorded.index}: {error!r}"
        self.unexpected.append(recorded)
        return failures.error(500, None, message, {"x-should-retry": "false"})

    async def _embed(self, connection: Connection, request: Request) -> None:
        """Answer with vectors of two numbers: how many letters a text has, and 1."""
        if (refused := self._refused_key(request)) is not None:
            await self._send(connection, refused)
            return
        body = cast(dict[str, Any], parse_json(request.body))
        texts: list[str] = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if not all(isinstance(text, str) and text for text in texts):
            await self._send(connection, failures.error(400, None, "'$.input' is invalid."))
            return
        vectors = [struct.pack("<2f", len(text), 1.0) for text in texts]
        given = (
            base64.b64encode(vector).decode()
            if body.get("encoding_format") == "base64"
            else [*struct.unpack("<2f", vector)]
            for vector in vectors
        )
        data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(given)]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        answer = encode({"object": "list", "data": data, "model": body["model"], "usage": usage})
        await connection.send_whole(200, {"content-type": "application/json"}, answer)

    async def _send_models(self, connection: Connection, request: Request) -> None:
        if (refused := self._refused_key(request)) is not None:
            await self._send(connection, refused)
            return
        names = sorted(self._models or {"test-model"})
        models = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "openai-server"}
            for name in names
        ]
        body = encode({"object": "list", "data": models})
        await connection.send_whole(200, {"content-type": "application/json"}, body)

    async def _send(self, connection: Connection, reply: Reply) -> None:
        await connection.send_whole(reply.status, reply.headers, (reply.body or "").encode())
