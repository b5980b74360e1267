"""Import a memory file into a user: what is missing is added, what is there by its id stays as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from .actors import Actor, add_actor
from .blocks import attach_block
from .errors import AlreadyExists
from .import_check import check_memory_file
from .import_ids import Place, agent_places, block_places
from .import_rows import add_passages, add_threads, insert_rows
from .memory_file import FileAgent, FileBlock, MemoryFile
from .models import AgentRow, BlockRow, BlockVersionRow
from .ownership import agent_number, owned_by
from .store import Store
from .thread_keys import thread_name
from .unbroken import unbroken


@dataclass(slots=True)
class Imported:
    """What an import added, and what is called otherwise than in the file because its name was taken."""

    added: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("agents", "blocks", "threads", "messages", "passages"), 0)
    )
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    """New names of agents and ids of threads by the old ones."""
    taken: set[str] | None = None
    """The names of all agents of the user, once they were read."""

    def count(self, what: str, number: int) -> None:
        """Note that so many were added."""
        self.added[what] += number

    def rename(self, old: str, new: str) -> None:
        """Note that `old` is called `new`, if it is."""
        if old != new:
            self.renamed[old] = new


@unbroken
async def import_memory(store: Store, actor: Actor, file: MemoryFile) -> Imported:
    """Add what the file holds to the memory of `actor`, who may be new; a second time nothing is added.

    Ids are kept. That of an agent, a block or a passage that belongs to another user is replaced by an id
    made from it and the actor, the same one each time. An agent whose name is taken gets a number after its
    name. Threads that are there already are left as they are, whatever was said on them since.

    Each agent is one transaction: an import that was broken off is completed by the next. Raises
    `InvalidInput` and what is below it, before anything is stored, for a file that does not hold together.
    """
    await check_memory_file(file)
    done = Imported()
    try:
        async with store.database.writing() as session:
            await add_actor(session, actor)
            places = await block_places(session, actor, [block.id for block in file.blocks])
            for block in file.blocks:
                if not places[block.id].there:
                    await _add_block(session, actor, block, places[block.id].id)
                    done.count("blocks", 1)
        for agent in file.agents:
            async with store.database.writing() as session:
                await _import_agent(session, actor, agent, places, done)
    except IntegrityError as error:
        raise AlreadyExists("somebody else made the same thing in between: import the file again") from error
    return done


async def _add_block(session: AsyncSession, actor: Actor, block: FileBlock, block_id: str) -> None:
    first, last = block.versions[0], block.versions[-1]
    session.add(
        BlockRow(
            id=block_id,
            organization_id=actor.organization_id,
            user_id=actor.user_id,
            label=block.label,
            value=last.value,
            limit=block.limit,
            version=last.version,
            created_at=first.changed_at,
            updated_at=last.changed_at,
        )
    )
    # The block's row must be there before its versions refer to it.
    await session.flush()
    versions = ({"block_id": block_id, **entry.model_dump()} for entry in block.versions)
    await insert_rows(session, BlockVersionRow, versions)


async def _import_agent(
    session: AsyncSession, actor: Actor, agent: FileAgent, blocks: Mapping[str, Place], done: Imported
) -> None:
    place = (await agent_places(session, actor, [agent.id]))[agent.id]
    if not place.there:
        name = await _free_name(session, actor, agent.name, done)
        session.add(_agent_row(actor, agent, place.id, name))
        await session.flush()
        done.count("agents", 1)
        done.rename(agent.name, name)
    number = await agent_number(session, actor, place.id, lock=True)
    for block_id in agent.blocks:
        # Who took a block from an agent that is there has done so on purpose.
        if not (place.there and blocks[block_id].there):
            await _hold(session, place.id, blocks[block_id].id)
    threads, messages = await add_threads(session, actor, (place.id, number), agent.threads)
    done.count("threads", sum(not each.there for each in threads.values()))
    done.count("messages", messages)
    for thread_id, each in threads.items():
        done.rename(thread_id, thread_name(each.id))
    done.count("passages", await add_passages(session, actor, (place.id, number), agent.passages))


async def _free_name(session: AsyncSession, actor: Actor, name: str, done: Imported) -> str:
    if done.taken is None:
        done.taken = set(await session.scalars(select(AgentRow.name).where(owned_by(actor, AgentRow))))
    numbered = (f"{name[:190]}-{number}" for number in count(2))
    free = next(free for free in chain([name], numbered) if free not in done.taken)
    done.taken.add(free)
    return free


async def _hold(session: AsyncSession, agent_id: str, block_id: str) -> None:
    try:
        await attach_block(session, agent_id, await session.get_one(BlockRow, block_id))
    except AlreadyExists:
        pass  # The agent, which was there, holds a newer block of this label.


def _agent_row(actor: Actor, agent: FileAgent, agent_id: str, name: str) -> AgentRow:
    return AgentRow(
        id=agent_id,
        organization_id=actor.organization_id,
        user_id=actor.user_id,
        name=name,
        system=agent.system,
        model=agent.model,
        model_settings=agent.model_settings,
        tools=list(agent.tools),
        time_zone=agent.time_zone,
        version=1,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
    )
