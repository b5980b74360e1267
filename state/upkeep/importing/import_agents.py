"""Import agents: small ones share a transaction, a large one takes several."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from ...agents.ownership import numbers_of
from ...agents.thread_keys import thread_name
from ...tables.tables import AgentRow, MessageRow, PassageRow, ThreadRow
from ..memory_file import FileAgent
from ..portions import MOST_ROWS, portions
from .import_ids import Place, agent_places, passage_places, thread_places
from .import_large_agent import add_large_agent
from .import_links import add_links, lock_agents
from .import_rows import (
    agent_row,
    insert_numbered,
    insert_rows,
    message_rows,
    numbered,
    passage_rows,
    spoken,
    thread_row,
    weight_of_agent,
)
from .imported import Import


@dataclass(frozen=True, slots=True)
class _Places:
    agents: Mapping[str, Place]
    threads: Mapping[str, Place]
    passages: Mapping[str, Place]


async def import_agents(going_on: Import, agents: Iterable[FileAgent], blocks: Mapping[str, str]) -> None:
    """Add the agents, threads and passages that the user lacks; `blocks` maps file ids to stored ids."""
    for some in portions(agents, weight_of_agent):
        if len(some) == 1 and weight_of_agent(some[0]) > MOST_ROWS:
            await add_large_agent(going_on, some[0], blocks)
        else:
            await _add_together(going_on, some, blocks)


async def _add_together(going_on: Import, agents: Sequence[FileAgent], blocks: Mapping[str, str]) -> None:
    def add(session: Session) -> _Places:
        places = _look(session, going_on, agents)
        _add_agents(session, going_on, agents, places.agents, blocks)
        _add_rows(session, going_on, agents, places)
        return places

    places = await going_on.write(add)
    fresh = {name for name, place in places.threads.items() if not place.there}
    threads = [thread for agent in agents for thread in agent.threads]
    going_on.count(
        agents=sum(not place.there for place in places.agents.values()),
        threads=len(fresh),
        messages=sum(len(thread.messages) for thread in threads if thread.id in fresh),
        passages=sum(not place.there for place in places.passages.values()),
    )
    for name, place in places.threads.items():
        going_on.done.rename(name, thread_name(place.id))


def _look(session: Session, going_on: Import, agents: Sequence[FileAgent]) -> _Places:
    actor = going_on.actor
    return _Places(
        agent_places(session, actor, [agent.id for agent in agents]),
        thread_places(session, actor, [thread.id for agent in agents for thread in agent.threads]),
        passage_places(session, actor, [passage.id for agent in agents for passage in agent.passages]),
    )


def _add_agents(
    session: Session,
    going_on: Import,
    agents: Sequence[FileAgent],
    places: Mapping[str, Place],
    blocks: Mapping[str, str],
) -> None:
    fresh = [agent for agent in agents if not places[agent.id].there]
    names = {agent.id: going_on.free_name(session, agent.name) for agent in fresh}
    rows = (agent_row(going_on.actor, agent, places[agent.id].id, names[agent.id]) for agent in fresh)
    insert_rows(session, AgentRow, rows)
    held = {places[agent.id].id: [blocks[each] for each in agent.blocks] for agent in fresh if agent.blocks}
    if held:
        add_links(session, held)


def _add_rows(session: Session, going_on: Import, agents: Sequence[FileAgent], places: _Places) -> None:
    ids = {agent.id: places.agents[agent.id].id for agent in agents}
    numbers = lock_agents(session, ids.values())
    threads = (
        thread_row(going_on.actor, ids[agent.id], thread, places.threads[thread.id].id)
        for agent in agents
        for thread in agent.threads
        if not places.threads[thread.id].there
    )
    insert_rows(session, ThreadRow, threads)
    messages = {
        agent.id: list(message_rows(ids[agent.id], spoken(agent.threads, places.threads))) for agent in agents
    }
    passages = {
        agent.id: list(passage_rows(ids[agent.id], agent.passages, places.passages)) for agent in agents
    }
    for table, rows in ((MessageRow, messages), (PassageRow, passages)):
        new: list[dict[str, Any]] = []
        for agent_id, of_agent in rows.items():
            number = numbers[ids[agent_id]]
            if of_agent and places.agents[agent_id].there:
                insert_numbered(session, table, number, of_agent)
            else:
                new += numbered(numbers_of(number)[0], of_agent)
        insert_rows(session, table, new)
