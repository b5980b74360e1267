"""A port of this machine for a server that cannot choose one itself."""

import random
import socket

_PORTS = range(15_000, 32_000)
"""Below those that the kernel gives out: nobody else is given the port before the server has it."""


def free_port() -> int:
    """Return a port of loopback that no server has."""
    while is_taken(port := random.choice(_PORTS)):
        pass
    return port


def is_taken(port: int) -> bool:
    """Return whether a server has the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
