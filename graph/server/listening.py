"""The socket that the server listens at; what stands in the way is told with its remedy."""

import errno
import socket

from ...state.errors import InvalidSetting

_BACKLOG = 2048


def listen_at(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address or name of this machine; port 0 takes a free one.

    Several processes can use it. Raises `InvalidSetting` when that is not possible.
    """
    host = host.strip("[]")
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections take it over: asyncio does not see that they are TCP's, and small chunks would wait
        # 40 ms for the answer to the ones before.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.set_inheritable(True)
        listening.bind((host, port))
        listening.listen(_BACKLOG)  # From now on who comes waits, also while the server still starts.
    except (OSError, UnicodeError) as error:
        listening.close()
        raise InvalidSetting(told_of(error, host, port)) from error
    return listening


def told_of(error: Exception, host: str, port: int) -> str:
    """Return what is told of an error of the system: what stands in the way, and what to do."""
    reason = error.errno if isinstance(error, OSError) else None
    if isinstance(error, socket.gaierror | UnicodeError) or reason == errno.EADDRNOTAVAIL:
        return (
            f"'{host[:100]}' is no address of this machine: listen at 127.0.0.1, "
            "or at 0.0.0.0 for all that it has (--host)"
        )
    if reason == errno.EADDRINUSE:
        return (
            f"port {port} is taken, perhaps by another server of this kind: end that one, or take another "
            "port (--port), 0 for any free one"
        )
    if reason == errno.EACCES:
        return f"port {port} may be opened by administrators alone: take one from 1024 on (--port)"
    return f"it is not possible to listen at {host[:100]}, port {port}: {error}"
