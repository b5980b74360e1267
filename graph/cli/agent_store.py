"""Create and delete agents; everything is checked before anything is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...nodes.model.catalog import check_model_name
from ...nodes.tools.built_in.catalog import COMMON_TOOLS
from ...nodes.tools.toolbox import Toolbox
from ...state.agents.actors import Actor
from ...state.agents.agents import DEFAULT_BLOCKS
from ...state.errors import InvalidInput
from ...state.open import open_checkpointer
from ...state.upkeep.forget import forget_agent
from .terminal.options import Caller
from .terminal.output import console
from .terminal.storage import reading, writing


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAgent:
    """An agent as given on the command line."""

    name: str
    model: str | None
    system_file: Path | None
    tools: tuple[str, ...]
    blocks: tuple[str, ...]
    time_zone: str


async def create_agent(caller: Caller, wanted: NewAgent, url: str | None) -> None:
    """Check the arguments, then store the agent.

    Raises `InvalidSetting` for a model, tool or time zone that cannot be used, `InvalidInput` for a file or
    block, `AlreadyExists`.
    """
    if wanted.model is not None:
        check_model_name(wanted.model)
    Toolbox(COMMON_TOOLS).check(wanted.tools)
    system = _read(wanted.system_file) if wanted.system_file else None
    blocks = {**DEFAULT_BLOCKS, **_parse_blocks(wanted.blocks)}
    async with writing(url) as store:
        agent = await store.agents.create(
            Actor(caller.organization, caller.user),
            wanted.name,
            system=system,
            model=wanted.model,
            tools=wanted.tools,
            time_zone=wanted.time_zone,
            blocks=blocks,
        )
    console(errors=False).print(
        f"Agent '{agent.name}' created. Talk with it: voicegraph chat --agent {agent.name}"
    )


async def delete_agent(caller: Caller, name: str, url: str | None) -> None:
    """Delete the agent with its threads, their checkpoints, messages and blocks. Raises `AgentNotFound`."""
    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        agent = await store.agents.get(actor, name)
        async with open_checkpointer(store.database.location) as saver:
            forgotten = await forget_agent(store, saver, actor, agent.id)
    threads = len(forgotten.subject.threads)
    console(errors=False).print(f"Agent '{agent.name}' and its {threads} conversations deleted.")


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise InvalidInput(f"the file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the file {file} is not UTF-8 text") from error
    if not text:
        raise InvalidInput(f"the file {file} is empty")
    return text


def _parse_blocks(typed: Sequence[str]) -> dict[str, str]:
    blocks: dict[str, str] = {}
    for item in typed:
        label, equals, text = item.partition("=")
        if not (label.strip() and equals):
            raise InvalidInput(f"'{item[:40]}' is not a block: write it as label=text")
        if label in blocks:
            raise InvalidInput(f"the block '{label}' is given twice: give it once")
        blocks[label] = text
    return blocks
