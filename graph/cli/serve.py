"""`voicegraph serve`: serve agents to voice clients over HTTP."""

import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .terminal.failures import report, say_error
from .terminal.logs import set_server_logs
from .terminal.options import Database, Quiet, Verbose, caller_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from socket import socket

Host = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="ADDRESS",
        help="Address to listen at. 0.0.0.0 is reachable from outside and needs a key.",
    ),
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen at; 0 picks a free one.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Model of agents that name none: openai:NAME or local:smollm2. [default: VOICEGRAPH_MODEL]",
    ),
]
Tools = Annotated[
    list[str] | None,
    typer.Option(
        "--tool", metavar="PATH", help="package.module:function, offered to every agent. Repeatable."
    ),
]


Count = Annotated[
    int,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Number of server processes, with combined metrics; several need PostgreSQL.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ServeOptions:
    """The options given on the command line."""

    host: str
    port: int
    model: str | None
    tools: tuple[str, ...]
    database: str | None
    verbose: bool
    quiet: bool


def serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Count = 1,
    model: ModelName = None,
    tool: Tools = None,
    database: Database = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Serve agents over HTTP as the "custom LLM" of LiveKit, Pipecat, Vapi, ElevenLabs and others.

    Set the client's base URL to http://HOST:PORT/v1, its model to an agent's name, and its API key to one
    made by `voicegraph keys create`. Without any key only clients on this machine are served. Warnings and
    errors go to stderr.
    """
    caller = caller_of(context)
    serve_options = _ServeOptions(
        host=host,
        port=port,
        model=model,
        tools=tuple(tool or ()),
        database=database,
        verbose=verbose or caller.verbose,
        quiet=quiet or caller.quiet,
    )
    set_server_logs(verbose=serve_options.verbose, quiet=serve_options.quiet)
    if workers > 1:
        _serve_by_workers(serve_options, workers)
    else:
        _run(partial(_serve, serve_options, ready=_tell))


async def _serve(serve_options: _ServeOptions, **options: Any) -> None:
    from ..resources import open_resources
    from ..server.process import serve as serve_over
    from ..settings import load_settings

    settings = load_settings(model=serve_options.model)
    async with open_resources(
        serve_options.database, model=serve_options.model, tools=serve_options.tools, settings=settings
    ) as resources:
        await serve_over(resources, serve_options.host, serve_options.port, **options)


def _serve_by_workers(serve_options: _ServeOptions, count: int) -> None:
    from ..server.listening import listen_at
    from ..server.process import FAREWELL
    from ..server.workers import Workers, check_workers
    from ..settings import load_settings

    settings = load_settings()
    check_workers(serve_options.database or settings.url())
    listening = listen_at(serve_options.host, serve_options.port)
    workers = Workers(
        count, partial(_work, serve_options), listening, ready=lambda told: _tell(*told), died=say_error
    )
    code = workers.run(patience=settings.shutdown_seconds + 2 * FAREWELL)
    if code:
        raise typer.Exit(code)


def _work(serve_options: _ServeOptions, listening: "socket", telling: "Connection", metrics: Path) -> None:
    """Run as one of several workers: serve the socket, and report once it is served."""
    os.setpgid(0, 0)  # Ctrl-C is handled by the supervising process, which stops the workers.
    set_server_logs(verbose=serve_options.verbose, quiet=serve_options.quiet)

    def ready(url: str, keyed: bool) -> None:
        telling.send((url, keyed))
        telling.close()

    try:
        _run(partial(_serve, serve_options, ready=ready, listening=listening, metrics=metrics))
    except Exception as error:
        sys.exit(report(error))


def _tell(url: str, keyed: bool) -> None:
    typer.echo(f"Listening at {url} - voice clients take {url}/v1, a browser {url}/docs", err=True)
    if not keyed:
        typer.echo(
            "No key exists, so only this machine is served. Create one: voicegraph keys create NAME",
            err=True,
        )


def _run(main: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run `main` on uvloop where available: it makes each token cheaper."""
    import asyncio

    try:
        from uvloop import new_event_loop
    except ImportError:  # Not available on Windows.
        new_event_loop = None
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
