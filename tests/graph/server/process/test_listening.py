"""Where the server cannot listen, one line says why and what to do."""

import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from voicegraph.graph.server.listening import listen_at, listen_failure
from voicegraph.state.errors import InvalidSetting


@pytest.fixture
def taken() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield other.getsockname()[1]


def test_a_port_that_is_taken_is_told_with_the_remedy(taken: int) -> None:
    with pytest.raises(InvalidSetting, match=rf"port {taken} is in use.* \(--port\), 0 for any free port"):
        listen_at("127.0.0.1", taken)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "a" * 70, "a..b"])
def test_an_address_of_another_machine_is_told_with_the_remedy(host: str) -> None:
    with pytest.raises(InvalidSetting, match=r"is not an address of this machine.*\(--host\)"):
        listen_at(host, 0)


def test_a_name_that_nobody_knows_is_told_as_such() -> None:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert listen_failure(error, "nowhere", 80).startswith("'nowhere' is not an address of this machine")


def test_a_port_for_administrators_is_told_with_the_remedy() -> None:
    error = PermissionError(errno.EACCES, "Permission denied")
    assert listen_failure(error, "127.0.0.1", 80) == (
        "port 80 is reserved for administrators: use a port from 1024 on (--port)"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_it_listens_at_this_machine(host: str) -> None:
    with closing(listen_at(host, 0)) as listening, socket.create_connection(listening.getsockname()[:2]):
        assert listening.getsockname()[1] > 0


def test_small_chunks_are_not_held_back() -> None:
    with (
        closing(listen_at("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()[:2]),
    ):
        accepted, _ = listening.accept()
        with closing(accepted):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
