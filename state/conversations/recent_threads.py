"""Find recent threads by their last messages, for clients that continue a thread without naming it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from ..agents.actors import Actor
from ..agents.agent_rows import IS_AGENT, given_agent
from ..agents.ownership import numbers_of
from ..database.database import Database
from ..errors import AgentNotFound
from ..search.neighbours import WITHDRAWN
from ..tables.tables import AgentRow, MessageRow
from .message_rows import GREATEST

LOOKED_AT = 10_000
"""Number of an agent's newest messages that are searched."""
_HEAD = 64
"""Number of characters of a reply that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadEnd:
    """The end of a thread: the caller's last message, empty if there is none, and the replies to it.

    If the last message may be repeated or may have been a draft, this is the message before it, and `newest`
    is the last one. `thread_id` is the key of the thread.
    """

    thread_id: str
    words: str
    replies: tuple[str, ...]
    newest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadEnds:
    """The threads found.

    `complete` is false if the agent has more messages in this time than are searched, `too_many` is true if
    there are more such threads than requested.
    """

    agent_id: str
    found: tuple[ThreadEnd, ...]
    complete: bool
    too_many: bool


def _spoken(message: type[MessageRow]) -> ColumnElement[str]:
    return func.coalesce(message.spoken, message.text)


_AGENT = select(AgentRow.id, AgentRow.number).where(IS_AGENT)
_LOOKED_AT = MessageRow.number.between(bindparam("first"), bindparam("last"))
_OLDEST = select(MessageRow.created_at).where(_LOOKED_AT).order_by(MessageRow.number).limit(1)
_SAID = and_(MessageRow.role == "user", MessageRow.status.is_distinct_from(WITHDRAWN))
_BY_WORDS = and_(_SAID, MessageRow.text.in_(bindparam("words", expanding=True)))
# Replies that a client sent in are not the agent's own, and have no model.
_BY_REPLY = and_(
    MessageRow.role == "assistant",
    MessageRow.model.is_not(None),
    func.substr(_spoken(MessageRow), 1, bindparam("size")) == bindparam("head"),
)


def _ends(*found_by: Any) -> Select[Any]:
    """Return the query for threads found by the caller's last message, or by one after it.

    One more message of the caller may follow, if it is `newest` or younger than `settled`.
    """
    later = aliased(MessageRow)
    said_later = (
        select(literal(1))
        .where(later.thread_id == MessageRow.thread_id, later.number > MessageRow.number)
        .where(later.role == "user", later.status.is_distinct_from(WITHDRAWN))
    )
    is_settled = and_(later.created_at <= bindparam("settled"), later.text != bindparam("newest"))
    end = (
        select(MessageRow.thread_id, MessageRow.number, MessageRow.role, MessageRow.text)
        .where(_LOOKED_AT, or_(*found_by), MessageRow.created_at >= bindparam("since"))
        .where(~said_later.where(is_settled).exists(), ~said_later.offset(1).limit(1).exists())
        .order_by(MessageRow.number.desc())
        .limit(bindparam("limit"))
        .subquery()
    )
    after = aliased(MessageRow)
    follows = and_(
        after.thread_id == end.c.thread_id,
        after.number >= end.c.number,
        or_(
            after.role == "assistant",
            and_(
                after.role == "user",
                after.number > end.c.number,
                after.status.is_distinct_from(WITHDRAWN),
            ),
        ),
    )
    return (
        select(end.c.number, end.c.thread_id, end.c.role, end.c.text)
        .add_columns(after.role, _spoken(after))
        .outerjoin(after, follows)
        .order_by(end.c.number.desc(), after.number)
    )


_ENDS, _ENDS_BY_REPLY = _ends(_BY_WORDS), _ends(_BY_WORDS, _BY_REPLY)
_WORDS = (
    select(MessageRow.thread_id, MessageRow.text)
    .where(_LOOKED_AT, _SAID, MessageRow.thread_id.in_(bindparam("threads", expanding=True)))
    .order_by(MessageRow.number)
)


class RecentThreads:
    """The threads of agents with recent messages."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database

    async def ending_with(
        self,
        actor: Actor,
        agent: str,
        words: Collection[str],
        reply: str = "",
        *,
        newest: str = "",
        since: datetime,
        settled: datetime | None = None,
        limit: int,
    ) -> ThreadEnds:
        """Return the agent's threads whose last message of the caller, since `since`, is one of `words`.

        With a `reply`, also those that end with an own reply of the agent with the same beginning. A later
        message does not count if it is `newest` or younger than `settled`. `agent` is a name or an id. Raises
        `AgentNotFound`.
        """
        head = reply[:_HEAD]
        given = {"words": list(words), "since": since, "limit": limit + 1, "head": head, "size": len(head)}
        given |= {"newest": newest, "settled": settled or datetime.now(UTC)}

        def read(session: Session) -> ThreadEnds:
            connection = session.connection()
            agent_id, number = _agent(connection, actor, agent)
            place = _newest(connection, number)
            rows = connection.execute(_ENDS_BY_REPLY if head else _ENDS, {**given, **place}).all()
            complete = place["first"] == numbers_of(number)[0]
            if not complete:
                oldest = connection.scalar(_OLDEST, place)
                complete = oldest is not None and oldest < since
            return ThreadEnds(
                agent_id=agent_id,
                found=_found(rows),
                complete=complete,
                too_many=len({number for number, *_ in rows}) > limit,
            )

        return await self._database.read(read)

    async def words_of(self, actor: Actor, agent: str, thread_ids: Collection[str]) -> dict[str, list[str]]:
        """Return the caller's messages on these threads of the agent, given by key, newest last.

        Raises `AgentNotFound`.
        """

        def read(session: Session) -> dict[str, list[str]]:
            connection = session.connection()
            said: dict[str, list[str]] = {}
            _, number = _agent(connection, actor, agent)
            given = {"threads": list(thread_ids), **_newest(connection, number)}
            for thread_id, text in connection.execute(_WORDS, given):
                said.setdefault(thread_id, []).append(text)
            return said

        return await self._database.read(read)


def _agent(connection: Connection, actor: Actor, agent: str) -> tuple[str, int]:
    """Return the agent's id and number. Raises `AgentNotFound`."""
    row = connection.execute(_AGENT, given_agent(actor, agent)).first()
    if row is None:
        raise AgentNotFound(agent)
    return row.id, row.number


def _newest(connection: Connection, agent: int) -> dict[str, int]:
    """Return the first and last number of the agent's messages that are searched."""
    first, last = numbers_of(agent)
    greatest = connection.scalar(GREATEST, {"first": first, "last": last}) or first
    return {"first": max(first, greatest - LOOKED_AT), "last": greatest}


def _found(rows: Iterable[Any]) -> tuple[ThreadEnd, ...]:
    ends: dict[int, ThreadEnd] = {}
    for number, thread_id, role, text, later_role, later in rows:
        end = ends.get(number)
        if end is None:
            end = ThreadEnd(thread_id=thread_id, words=text if role == "user" else "", replies=())
        if later_role == "user":
            end = replace(end, newest=later)
        elif later and end.newest is None:
            end = replace(end, replies=(*end.replies, later))
        ends[number] = end
    return tuple(ends.values())
