"""`voicegraph serve`: agents as the model of any voice client, over HTTP."""

from collections.abc import Callable, Coroutine
from typing import Annotated

import typer

from .options import Database

Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="ADDRESS", help="Where to listen. Others can reach 0.0.0.0: that needs a key."
    ),
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one, and says which.")]
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


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    model: ModelName = None,
    tool: Tools = None,
    database: Database = None,
) -> None:
    """Serve agents over HTTP as the "custom LLM" of LiveKit, Pipecat, Vapi, ElevenLabs and others.

    Give them the URL http://HOST:PORT/v1, an agent's name as the model and a key of `voicegraph keys create`.
    Without any key only this machine itself is served.
    """
    from ..server.process import serve as serve_over
    from ..settings import load_settings

    async def run() -> None:
        from ..resources import open_resources

        settings = load_settings(model=model)
        async with open_resources(database, model=model, tools=tool or (), settings=settings) as resources:
            await serve_over(resources, host, port, ready=_tell)

    _run(run)


def _tell(url: str, keyed: bool) -> None:
    typer.echo(f"Listening at {url} - voice clients take {url}/v1, a browser {url}/docs", err=True)
    if not keyed:
        typer.echo(
            "There is no key yet, so only this machine is served. Make one: voicegraph keys create NAME",
            err=True,
        )


def _run(main: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run `main` on uvloop where there is one: a token costs less there."""
    import asyncio

    try:
        from uvloop import new_event_loop
    except ImportError:  # Windows has none.
        new_event_loop = None
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
