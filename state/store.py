"""The store: an open database with its repositories."""

from dataclasses import dataclass

from .actors import Actors
from .agents import Agents
from .blocks import Blocks
from .database import Database, open_database
from .due_messages import DueMessages
from .messages import Messages
from .passages import Passages
from .threads import Threads
from .tool_runs import ToolRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Everything that is remembered. Make one with `open_store`, end it with `close`."""

    database: Database
    actors: Actors
    agents: Agents
    blocks: Blocks
    threads: Threads
    messages: Messages
    passages: Passages
    tool_runs: ToolRuns
    due: DueMessages

    async def close(self) -> None:
        """Close the database; the second time it does nothing."""
        await self.database.close()


async def open_store(url: str) -> Store:
    """Open the database at `url`, its tables up to date; takes and raises what `open_database` does."""
    database = await open_database(url)
    return Store(
        database=database,
        actors=Actors(database),
        agents=Agents(database),
        blocks=Blocks(database),
        threads=Threads(database),
        messages=Messages(database),
        passages=Passages(database),
        tool_runs=ToolRuns(database),
        due=DueMessages(database),
    )
