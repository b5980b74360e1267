"""Switches Python's garbage collector off while a server runs.

The collector runs in whatever thread allocates. In the server's it would finalize what the client under test
left open (httpx leaves suspended generators behind in reference cycles), while the client's own loop, woken
by the first of them, is already closing the next: "async generator already executing", by the server's mere
presence, and pytest makes an error of it. Garbage waits until the last server has ended; a test that needs
the collector meanwhile runs the server as a process.
"""

import gc
import threading

_lock = threading.Lock()
_servers = 0
_was_on = True


def pause_collection() -> None:
    """Switch the collector off for one more server."""
    global _servers, _was_on
    with _lock:
        if _servers == 0:
            _was_on = gc.isenabled()
            gc.disable()
        _servers += 1


def resume_collection() -> None:
    """Switch it on again after the last server; call it in the test's own thread, where it may then run."""
    global _servers
    with _lock:
        _servers -= 1
        if _servers == 0 and _was_on:
            gc.enable()
