"""A response written to a temporary file before it is sent."""

import asyncio
from collections.abc import AsyncGenerator
from tempfile import SpooledTemporaryFile
from typing import IO

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

_IN_MEMORY = 1_000_000
"""Maximum number of bytes held in memory instead."""
_PIECE = 65_536


def spool() -> IO[bytes]:
    """Return a private temporary file, to be written and passed to `SpooledResponse`."""
    return SpooledTemporaryFile(_IN_MEMORY)


class SpooledResponse(StreamingResponse):
    """Sends the contents of a file as JSON, then closes it.

    The file is complete before the first byte is sent: a slow client holds no other resource, and an error
    can still set the status.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Take over `file`."""
        self._file = file
        size = file.tell()
        file.seek(0)
        super().__init__(self._pieces(), media_type="application/json", headers={"Content-Length": str(size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        with self._file:
            await super().__call__(scope, receive, send)

    async def _pieces(self) -> AsyncGenerator[bytes]:
        while piece := await asyncio.to_thread(self._file.read, _PIECE):
            yield piece
