"""Search an agent's messages and passages on SQLite."""

import sqlite3
from collections.abc import Collection

from ...agents.actors import Actor
from ...agents.ownership import numbers_of
from ...errors import AgentNotFound
from ...search.embedder import Meaning
from ...search.neighbours import RecallHit, heard_words, hits_of
from ...search.query_words import QueryWords
from ...search.ranking import Found
from ...search.search import Page, SearchQuery, find, page_of
from ...tables.columns import as_stored, encodable
from .neighbours import around, said, searchable
from .ranking import Scope, best, listed, newest
from .vectors import similar_rows


class SqliteFinder:
    """Searches the rows of a scope, see `Finder`."""

    def __init__(self, connection: sqlite3.Connection, scope: Scope) -> None:
        self._connection, self._scope = connection, scope

    def best(self, query: QueryWords, limit: int, offset: int) -> Found:
        """Return the best matches."""
        return best(self._connection, self._scope, query, limit, offset)

    def similar_rows(self, meaning: Meaning, most: int, also: Collection[int]) -> Found:
        """Return the rows most similar in meaning."""
        return similar_rows(self._connection, self._scope, meaning, most, also)

    def newest(self, words: tuple[str, ...], limit: int, offset: int) -> Found:
        """Return the rows that contain one of the words."""
        return newest(self._connection, self._scope, words, limit, offset)

    def listed(self, sought: str, limit: int, offset: int) -> Found:
        """Return the rows that contain `sought` literally."""
        if sought:
            words = heard_words("row") if self._scope.table == "messages" else "row.text"
            self._scope.add(f"instr({words}, ?) > 0", encodable(sought))
        return listed(self._connection, self._scope, limit, offset)


def find_messages(
    connection: sqlite3.Connection, actor: Actor, agent_id: str, search: SearchQuery
) -> Page[RecallHit]:
    """Return the messages of an agent that match the query. Raises `AgentNotFound`."""
    scope = _scope("messages", _owned_agent(connection, actor, agent_id), search)
    if search.role is not None:
        scope.add("row.role = ?", search.role)
    if search.thread_id is not None:
        scope.add("row.thread_id = ?", encodable(search.thread_id))
    if not search.ranked:
        scope.add(searchable("row"))
    found = find(SqliteFinder(connection, scope), search)
    shown = found[: search.limit]
    messages = said(connection, (number for number, _ in shown))
    return page_of(search, found, hits_of(shown, messages, around(connection, messages)))


def find_passages(connection: sqlite3.Connection, actor: Actor, agent_id: str, search: SearchQuery) -> Found:
    """Return the numbers of an agent's passages that match the query. Raises `AgentNotFound`."""
    scope = _scope("passages", _owned_agent(connection, actor, agent_id), search)
    for tag in search.tags:
        scope.add("EXISTS (SELECT 1 FROM json_each(row.tags) WHERE value = ?)", encodable(tag))
    return find(SqliteFinder(connection, scope), search)


def _scope(table: str, agent: int, search: SearchQuery) -> Scope:
    """Return the rows of an agent within the query's period."""
    scope = Scope(table, *numbers_of(agent))
    if search.start is not None:
        scope.add("row.created_at >= ?", as_stored(search.start))
    if search.end is not None:
        scope.add("row.created_at < ?", as_stored(search.end))
    return scope


def _owned_agent(connection: sqlite3.Connection, actor: Actor, agent_id: str) -> int:
    """Return the number of an agent of `actor`. Raises `AgentNotFound`."""
    row = connection.execute(
        "SELECT number FROM agents WHERE id = ? AND organization_id = ? AND user_id = ?",
        tuple(map(encodable, (agent_id, actor.organization_id, actor.user_id))),
    ).fetchone()
    if row is None:
        raise AgentNotFound(agent_id)
    return row[0]
