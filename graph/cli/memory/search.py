"""`voicegraph memory search`: search conversations or the archive."""

import asyncio
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal.options import Caller, Database, caller_of
from .blocks import Holder

if TYPE_CHECKING:
    from ....state.search.neighbours import Said
    from ....state.search.passages import PassageHit
    from ....state.search.recall import RecallHit
    from ....state.search.search import Page

_WHEN = "%Y-%m-%d %H:%M"


class Role(StrEnum):
    """The speaker."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A search as given on the command line; times are time zone aware."""

    query: str
    start: datetime | None
    end: datetime | None
    role: Role | None
    thread: str | None
    newest: bool
    limit: int
    offset: int
    archive: bool
    as_json: bool

    @property
    def window(self) -> dict[str, Any]:
        """Return the arguments that both searches take."""
        order = "newest" if self.newest else "best"
        return {
            "start": self.start,
            "end": self.end,
            "order": order,
            "limit": self.limit,
            "offset": self.offset,
        }


def search(
    context: typer.Context,
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="Plain words; '' lists everything, newest first.")
    ],
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="Maximum number of hits.")] = 5,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Number of hits to skip.")] = 0,
    newest: Annotated[bool, typer.Option("--newest", help="Sort by time, newest first.")] = False,
    since: Annotated[datetime | None, typer.Option("--since", help="Not before this local time.")] = None,
    until: Annotated[datetime | None, typer.Option("--until", help="Before this local time.")] = None,
    role: Annotated[Role | None, typer.Option("--role", help="Only messages of this speaker.")] = None,
    thread: Annotated[
        str | None, typer.Option("--thread", metavar="ID", help="Only in this conversation.")
    ] = None,
    archive: Annotated[bool, typer.Option("--archive", help="Search the archive instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object per line.")] = False,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Search the agent's conversations. Each hit comes with the two messages before and after it."""
    if archive and (role or thread):
        raise typer.BadParameter("--role and --thread cannot be used with --archive")
    asked = _Asked(
        query=query,
        start=since.astimezone() if since else None,
        end=until.astimezone() if until else None,
        role=role,
        thread=thread,
        newest=newest,
        limit=limit,
        offset=offset,
        archive=archive,
        as_json=as_json,
    )
    asyncio.run(_search(caller_of(context), agent, asked, database))


async def _search(caller: Caller, agent: str, asked: _Asked, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import console
    from ..terminal.storage import searching

    actor = Actor(caller.organization, caller.user)
    async with searching(url) as store:
        agent_id = (await store.agents.get(actor, agent)).id
        # The last process may have ended before it indexed its last messages.
        await store.recall.index_due(agent_id)
        found: Page[RecallHit] | Page[PassageHit]
        if asked.archive:
            found = await store.passages.search(actor, agent_id, asked.query, **asked.window)
        else:
            found = await store.recall.search(
                actor, agent_id, asked.query, role=asked.role, thread_id=asked.thread, **asked.window
            )
    if asked.as_json:
        _write_json(found)
        return
    for number, hit in enumerate(found.hits):
        _show(hit, first=number == 0)
    notes = console(errors=True)
    if not found.hits:
        notes.print("Nothing found.")
    elif found.next_offset is not None:
        notes.print(f"More results: --offset {found.next_offset}", style="dim")


def _write_json(found: "Page[RecallHit] | Page[PassageHit]") -> None:
    import orjson

    for hit in found.hits:
        sys.stdout.write(orjson.dumps(asdict(hit)).decode() + "\n")


def _show(hit: "RecallHit | PassageHit", *, first: bool) -> None:
    from ....state.search.passages import PassageHit
    from ..terminal.output import console, printable

    screen = console(errors=False)
    if not first:
        screen.print()
    if isinstance(hit, PassageHit):
        passage = hit.passage
        tags = ", ".join(passage.tags)
        screen.print(_head(passage.created_at, passage.id, tags, hit.score), style="bold")
        screen.print(f"  {printable(passage.text)}")
        return
    screen.print(_head(hit.message.created_at, hit.message.thread_id, "", hit.score), style="bold")
    for said in hit.before:
        screen.print(_line(said), style="dim")
    screen.print(_line(hit.message, mark=">"))
    for said in hit.after:
        screen.print(_line(said), style="dim")


def _head(when: datetime, where: str, tags: str, score: float) -> str:
    from ..terminal.output import printable

    parts = [f"{when.astimezone():{_WHEN}}", where, tags, f"score {score:.2f}" if score else ""]
    return printable("  ".join(part for part in parts if part))


def _line(said: "Said", *, mark: str = " ") -> str:
    from ..terminal.output import printable

    return f"{mark} {printable(said.speaker):<9}  {printable(' '.join(said.text.split()))}"
