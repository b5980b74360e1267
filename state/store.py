"""The store: an open database with its repositories."""

from dataclasses import dataclass

from .agents.actors import Actors
from .agents.agents import Agents
from .agents.api_keys import ApiKeys
from .agents.blocks import Blocks
from .conversations.due_messages import DueMessages
from .conversations.forks import Forks
from .conversations.messages import Messages
from .conversations.recent_threads import RecentThreads
from .conversations.threads import Threads
from .conversations.tool_runs import ToolRuns
from .conversations.turn_journal import TurnJournal
from .database.database import CONNECTIONS, Database
from .open import open_database, open_index
from .search.embedder import Embedder
from .search.embedding import Embedding
from .search.passages import Passages
from .search.recall import Recall
from .search.search_index import SearchIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """An open database and its repositories. Open one with `open_store`, close it with `close`."""

    database: Database
    index: SearchIndex
    embedding: Embedding
    actors: Actors
    keys: ApiKeys
    agents: Agents
    blocks: Blocks
    threads: Threads
    recent: RecentThreads
    forks: Forks
    messages: Messages
    passages: Passages
    recall: Recall
    tool_runs: ToolRuns
    journal: TurnJournal
    due: DueMessages

    async def close(self) -> None:
        """Close the database and its search index; closing again does nothing."""
        await self.index.close()
        await self.database.close()


async def open_store(
    url: str,
    *,
    embedder: Embedder | None = None,
    embed_deadline: float = 1.0,
    connections: int = CONNECTIONS,
) -> Store:
    """Open the database at `url` and migrate its tables; accepts and raises the same as `open_database`.

    With an `embedder`, searches combine words and meaning; each waits at most `embed_deadline` seconds for
    it. `connections` limits the connections to PostgreSQL. Raises `MissingExtra` if the embedder cannot be
    used.
    """
    database = await open_database(url, connections=connections)
    index = open_index(database)
    try:
        embedding = Embedding(index, embedder, deadline=embed_deadline)
    except BaseException:
        await database.close()
        raise
    return Store(
        database=database,
        index=index,
        embedding=embedding,
        actors=Actors(database),
        keys=ApiKeys(database),
        agents=Agents(database),
        blocks=Blocks(database),
        threads=Threads(database),
        recent=RecentThreads(database),
        forks=Forks(database),
        messages=Messages(database),
        passages=Passages(database, index, embedding),
        recall=Recall(database, index, embedding),
        tool_runs=ToolRuns(database),
        journal=TurnJournal(database),
        due=DueMessages(database),
    )
