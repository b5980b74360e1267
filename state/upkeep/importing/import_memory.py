"""Import a memory file into a user: what is missing is added, what is there by its id stays as it is."""

from sqlalchemy.exc import IntegrityError

from ...agents.actors import Actor, add_actor
from ...database.uninterrupted import unbroken
from ...errors import AgentNotFound, AlreadyExists
from ...store import Store
from ..memory_file import MemoryFile
from .import_agents import import_agents
from .import_blocks import import_blocks
from .import_check import check_memory_file
from .imported import Import, Imported
from .staged_rows import ChangedMeanwhile, remove_owner

__all__ = ["Imported", "import_memory"]


@unbroken
async def import_memory(store: Store, actor: Actor, file: MemoryFile) -> Imported:
    """Add what the file holds to the memory of `actor`, who may be new; a second time nothing is added.

    Ids are kept. That of an agent, a block or a passage that belongs to another user is replaced by an id
    made from it and the actor, the same one each time. An agent whose name is taken gets a number after its
    name. Threads that are there already are left as they are, whatever was said on them since.

    A transaction writes `MOST_ROWS` rows at most, so that turns never wait long for it: small agents share
    one, a large agent takes several. So does a block with a long history. Until all of its rows are there, a
    new block, thread or agent that takes several is nowhere to be seen: it cannot be listed, talked to or
    found by a search. An import that was broken off, at any instant, is completed by importing the file
    again: what the first one had completed stays, and what it had begun is removed and begun anew. Until
    then, the ids of threads that it had begun are taken.

    Raises `InvalidInput` and what is below it, before anything is stored, for a file that does not hold
    together; `AlreadyExists` when another process has made or removed the same things meanwhile.
    """
    await check_memory_file(file)
    going_on = Import(store.database, actor)
    try:
        await going_on.write(lambda session: add_actor(session, actor))
        blocks = await import_blocks(going_on, file)
        await import_agents(going_on, file.agents, blocks)
        if going_on.staged:
            await going_on.write(lambda session: remove_owner(session, actor))
    except (IntegrityError, ChangedMeanwhile, AgentNotFound) as error:
        raise AlreadyExists("somebody else made the same thing in between: import the file again") from error
    return going_on.done
