"""Open the server's listening socket; errors name the remedy."""

import errno
import socket

from ...state.errors import InvalidSetting

_BACKLOG = 2048


def listen_at(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address or name of this machine; port 0 picks a free one.

    Several processes can share it. Raises `InvalidSetting` if it cannot listen there.
    """
    host = host.strip("[]")
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit this: asyncio does not recognize them as TCP, and small chunks would
        # wait 40 ms for the acknowledgement of the previous ones.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.set_inheritable(True)
        listening.bind((host, port))
        listening.listen(_BACKLOG)  # From now on connections are queued, even while the server still starts.
    except (OSError, UnicodeError) as error:
        listening.close()
        raise InvalidSetting(listen_failure(error, host, port)) from error
    return listening


def listen_failure(error: Exception, host: str, port: int) -> str:
    """Return a message for a system error: the obstacle and the remedy."""
    reason = error.errno if isinstance(error, OSError) else None
    if isinstance(error, socket.gaierror | UnicodeError) or reason == errno.EADDRNOTAVAIL:
        return (
            f"'{host[:100]}' is not an address of this machine: listen at 127.0.0.1, "
            "or at 0.0.0.0 for all of its addresses (--host)"
        )
    if reason == errno.EADDRINUSE:
        return (
            f"port {port} is in use, perhaps by another voicegraph server: stop it, or use another "
            "port (--port), 0 for any free port"
        )
    if reason == errno.EACCES:
        return f"port {port} is reserved for administrators: use a port from 1024 on (--port)"
    return f"cannot listen at {host[:100]}, port {port}: {error}"
