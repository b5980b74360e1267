"""Import a memory file for a user: missing objects are added, existing ones (by id) are left unchanged."""

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
    """Add the contents of the file to the memory of `actor`, who may be new; a second import adds nothing.

    Ids are kept. If an agent, block or passage with the same id belongs to another user, the id is replaced
    by one derived from it and the actor, always the same. An agent whose name is taken gets a number after
    its name. Existing threads are left unchanged, whatever was said on them since.

    A transaction writes at most `MOST_ROWS` rows, so turns never wait long: small agents share one; a large
    agent, or a block with a long history, takes several. A new block, thread or agent that takes several is
    invisible until it is complete: it cannot be listed, used or found by a search. An import that was
    interrupted at any point is completed by importing the file again: completed objects stay, incomplete ones
    are removed and added again. Until then, the ids of incomplete threads are taken.

    Raises `InvalidInput` or a subclass for an inconsistent file, before anything is stored, and
    `AlreadyExists` if another process created or removed the same objects meanwhile.
    """
    await check_memory_file(file)
    going_on = Import(store.database, actor)
    # `unbroken`: a cancelled import would leave staged rows, which only the next import removes.
    try:
        await going_on.write(lambda session: add_actor(session, actor))
        blocks = await import_blocks(going_on, file)
        await import_agents(going_on, file.agents, blocks)
        if going_on.staged:
            await going_on.write(lambda session: remove_owner(session, actor))
    except (IntegrityError, ChangedMeanwhile, AgentNotFound) as error:
        raise AlreadyExists(
            "another process changed the same data meanwhile: import the file again"
        ) from error
    return going_on.done
