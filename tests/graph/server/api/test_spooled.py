"""A response that is written to a file first: sent whole, and the file is closed however that ends."""

from typing import IO, Any

import pytest

from voicegraph.graph.server.api.spooled import SpooledResponse, spool

CONTENT = b"0123456789" * 300_000
SCOPE: dict[str, Any] = {"type": "http", "asgi": {"spec_version": "2.4"}, "extensions": {}}


@pytest.fixture
def file() -> IO[bytes]:
    file = spool()
    file.write(CONTENT)
    return file


async def never() -> Any:
    raise AssertionError("nothing is asked of the client")


async def test_all_is_sent_with_its_length_in_small_pieces(file: IO[bytes]) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await SpooledResponse(file)(SCOPE, never, send)
    assert (b"content-length", str(len(CONTENT)).encode()) in sent[0]["headers"]
    pieces = [message["body"] for message in sent[1:]]
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) < 100_000
    assert file.closed


async def test_the_file_is_closed_when_the_client_goes_away(file: IO[bytes]) -> None:
    async def send(message: Any) -> None:
        raise OSError

    with pytest.raises(Exception, match=r"^$"):
        await SpooledResponse(file)(SCOPE, never, send)
    assert file.closed
