"""Search an agent's messages and passages on PostgreSQL."""

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from ...agents.actors import Actor
from ...agents.ownership import owned_by
from ...errors import AgentNotFound
from ...search.embedder import Meaning
from ...search.neighbours import RecallHit, heard_words, hits_of
from ...search.query_words import QueryWords
from ...search.ranking import Found
from ...search.search import Page, SearchQuery, find, page_of
from ...tables.columns import storable
from ...tables.tables import AgentRow
from .neighbours import around, said, searchable
from .ranking import best, listed, newest
from .scope import Scope
from .similarity import similar_rows

# Until the end of the transaction. Compiling a statement costs more than running it. For small tables the
# planner prefers to scan all entries, which costs more than using the index for the few of one agent.
_SETTINGS = (func.set_config("jit", "off", True), func.set_config("enable_seqscan", "off", True))


class PostgresFinder:
    """Searches the rows of a scope, see `Finder`."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def best(self, query: QueryWords, limit: int, offset: int) -> Found:
        """Return the best matches."""
        return best(self._scope, query, limit, offset)

    def similar_rows(self, meaning: Meaning, most: int, also: Collection[int]) -> Found:
        """Return the rows most similar in meaning."""
        return similar_rows(self._scope, meaning, most, also)

    def newest(self, words: tuple[str, ...], limit: int, offset: int) -> Found:
        """Return the rows that contain one of the words."""
        return newest(self._scope, words, limit, offset)

    def listed(self, sought: str, limit: int, offset: int) -> Found:
        """Return the rows that contain `sought` literally."""
        if sought:
            words = heard_words("row") if self._scope.table == "messages" else "row.text"
            self._scope.add(f"position(:sought IN {words}) > 0", sought=storable(sought))
        return listed(self._scope, limit, offset)


def find_messages(
    connection: Connection, actor: Actor, agent_id: str, search: SearchQuery
) -> Page[RecallHit]:
    """Return the messages of an agent that match the query. Raises `AgentNotFound`."""
    scope = _scope(connection, "messages", _owned_agent(connection, actor, agent_id), search)
    if search.role is not None:
        scope.add("row.role = :role", role=search.role)
    if search.thread_id is not None:
        scope.add("row.thread_id = :thread_id", thread_id=storable(search.thread_id))
    if not search.ranked:
        scope.add(searchable("row"))
    found = find(PostgresFinder(scope), search)
    shown = found[: search.limit]
    messages = said(connection, [number for number, _ in shown])
    return page_of(search, found, hits_of(shown, messages, around(connection, messages)))


def find_passages(connection: Connection, actor: Actor, agent_id: str, search: SearchQuery) -> Found:
    """Return the numbers of an agent's passages that match the query. Raises `AgentNotFound`."""
    scope = _scope(connection, "passages", _owned_agent(connection, actor, agent_id), search)
    for place, tag in enumerate(search.tags):
        name = f"tag_{place}"
        has_tag = f"SELECT 1 FROM json_array_elements_text(row.tags) AS tag WHERE tag = :{name}"
        scope.add(f"EXISTS ({has_tag})", **{name: storable(tag)})
    return find(PostgresFinder(scope), search)


def _scope(connection: Connection, table: str, agent: int, search: SearchQuery) -> Scope:
    """Return the rows of an agent within the query's period."""
    scope = Scope(connection, table, agent)
    if search.start is not None:
        scope.add("row.created_at >= :start", start=search.start)
    if search.end is not None:
        scope.add("row.created_at < :end", end=search.end)
    return scope


def _owned_agent(connection: Connection, actor: Actor, agent_id: str) -> int:
    """Return the number of an agent of `actor`. Raises `AgentNotFound`."""
    query = select(AgentRow.number, *_SETTINGS).where(AgentRow.id == agent_id, owned_by(actor, AgentRow))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise AgentNotFound(agent_id)
    return row[0]
