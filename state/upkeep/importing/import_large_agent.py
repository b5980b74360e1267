"""Import an agent that does not fit into one transaction."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...agents.actors import Actor, add_importing, importing
from ...agents.ownership import agent_number
from ...agents.thread_keys import thread_name
from ...tables.tables import AgentRow, MessageRow, PassageRow, ThreadRow
from ..memory_file import FileAgent, FilePassage, FileThread
from ..portions import portions
from .import_ids import Place, agent_places, passage_places, thread_places
from .import_links import add_links
from .import_rows import (
    Spoken,
    agent_row,
    insert_numbered,
    insert_rows,
    message_rows,
    passage_rows,
    spoken,
    thread_row,
    weight_of_message,
    weight_of_passage,
)
from .imported import Import
from .staged_rows import ChangedMeanwhile, publish


async def add_large_agent(going_on: Import, agent: FileAgent, blocks: Mapping[str, str]) -> None:
    """Add what the user lacks of an agent, in several transactions.

    A new agent and new threads belong to a user that nobody can act as until they are complete. Then the
    threads are given to the user, and the agent with the last of them. Passages of an existing agent are
    added directly.
    """
    going_on.staged = True
    large = _LargeAgent(going_on, agent)
    await large.begin(blocks)
    await large.add_threads()
    await large.add_messages()
    await large.add_passages()
    await large.publish()


class _LargeAgent:
    """An agent of the file, and the places of its parts."""

    def __init__(self, going_on: Import, agent: FileAgent) -> None:
        self._import, self._agent = going_on, agent
        self._actor = going_on.actor
        self._place = Place(agent.id, there=False)
        self._threads: dict[str, Place] = {}

    @property
    def _owner(self) -> Actor:
        """The owner of the agent during the import."""
        return self._actor if self._place.there else importing(self._actor)

    async def begin(self, blocks: Mapping[str, str]) -> None:
        """Add the agent's row with its blocks if it is new."""
        first, *others = list(portions(blocks[each] for each in self._agent.blocks)) or [[]]

        def add(session: Session) -> Place:
            place = (agent_places(session, self._actor, [self._agent.id]))[self._agent.id]
            if not place.there:
                add_importing(session, self._actor)
                # Its name may be taken until the end, so it is named by its id.
                row = agent_row(importing(self._actor), self._agent, place.id, place.id)
                insert_rows(session, AgentRow, [row])
                add_links(session, {place.id: first})
            return place

        self._place = await self._import.write(add)
        for some in others if not self._place.there else ():
            links = {self._place.id: some}
            await self._import.write(lambda session, links=links: add_links(session, links))

    async def add_threads(self) -> None:
        """Add the rows of new threads."""
        for some in portions(self._agent.threads):

            def add(session: Session, some: list[FileThread] = some) -> dict[str, Place]:
                places = thread_places(session, self._actor, [thread.id for thread in some])
                fresh = [thread for thread in some if not places[thread.id].there]
                if fresh:
                    add_importing(session, self._actor)
                owner, id_ = importing(self._actor), self._place.id
                rows = (thread_row(owner, id_, thread, places[thread.id].id) for thread in fresh)
                insert_rows(session, ThreadRow, rows)
                return places

            self._threads |= await self._import.write(add)

    async def add_messages(self) -> None:
        """Add the messages of new threads."""
        said = spoken(self._agent.threads, self._threads)
        for some in portions(said, lambda one: weight_of_message(one[0])):

            def add(session: Session, some: list[Spoken] = some) -> None:
                number = agent_number(session, self._owner, self._place.id, lock=True)
                rows = message_rows(self._place.id, some)
                insert_numbered(session, MessageRow, number, rows)

            await self._import.write(add)
        self._import.count(messages=len(said))

    async def add_passages(self) -> None:
        """Add new passages."""
        for some in portions(self._agent.passages, weight_of_passage):

            def add(session: Session, some: list[FilePassage] = some) -> int:
                places = passage_places(session, self._actor, [passage.id for passage in some])
                number = agent_number(session, self._owner, self._place.id, lock=True)
                rows = list(passage_rows(self._place.id, some, places))
                if rows:
                    insert_numbered(session, PassageRow, number, rows)
                return len(rows)

            self._import.count(passages=await self._import.write(add))

    async def publish(self) -> None:
        """Give new threads to the user, and the agent last."""
        fresh = [thread for thread in self._agent.threads if not self._threads[thread.id].there]
        *others, last = list(portions(fresh)) or [[]]
        for some in others:
            await self._import.write(lambda session, some=some: self._publish_threads(session, some))

        def end(session: Session) -> None:
            self._publish_threads(session, last)
            if not self._place.there:
                name = self._import.free_name(session, self._agent.name)
                whole = AgentRow.version == 1
                publish(session, self._actor, AgentRow, [self._place.id], whole, name=name)

        await self._import.write(end)
        self._import.count(agents=int(not self._place.there), threads=len(fresh))
        for name, place in self._threads.items():
            self._import.done.rename(name, thread_name(place.id))

    def _publish_threads(self, session: Session, threads: Sequence[FileThread]) -> None:
        # Locked, so that no other import removes the staged rows in between.
        version = select(AgentRow.version).where(AgentRow.id == self._place.id)
        if not session.scalar(version.with_for_update(key_share=True)):
            raise ChangedMeanwhile
        keys = [self._threads[thread.id].id for thread in threads]
        publish(session, self._actor, ThreadRow, keys)
        messages = select(func.count()).where(MessageRow.thread_id.in_(keys))
        if session.scalar(messages) != sum(len(thread.messages) for thread in threads):
            raise ChangedMeanwhile
