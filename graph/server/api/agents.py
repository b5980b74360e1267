"""`/v1/agents`: create, list, read, change and delete agents."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter
from pydantic import Field

from ....state.agents.agent_rows import AgentSettings
from ..access.auth import Acting
from ..access.key_first import KeyFirst
from .agent_rules import check_agent
from .forgetting import delete_agent_now
from .schemas import (
    AgentRef,
    Body,
    Deleted,
    Entry,
    Memory,
    Page,
    Paging,
    Serving,
    Words,
    errors,
    page_of_slice,
)

LONGEST_SYSTEM = 100_000
"""Maximum length of an agent's instructions, in characters."""
MOST_TOOLS = 100
"""Maximum number of tools that an agent may name."""

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=KeyFirst)

_Tools = Annotated[
    list[Words],
    Field(
        max_length=MOST_TOOLS,
        description="Tools that it may call: built-in ones and allowed ones.",
    ),
]
_Settings = Annotated[dict[str, Any], Field(description="Such as temperature and max_completion_tokens.")]
_Model = Annotated[
    Words | None, Field(description="`openai:NAME` or `local:smollm2`; null for the server's own.")
]
_System = Annotated[
    Words | None,
    Field(max_length=LONGEST_SYSTEM, description="Instructions; null for the built-in ones."),
]
_TimeZone = Annotated[Words, Field(max_length=100, description="An IANA name such as Europe/Paris.")]


class _AgentSettings(Body):
    system: _System = None
    model: _Model = None
    model_settings: _Settings = {}
    tools: _Tools = []
    time_zone: _TimeZone = "UTC"


class NewAgent(_AgentSettings):
    """An agent to create."""

    name: Words = Field(min_length=1, max_length=200, description="The agent's name; it cannot be changed.")
    blocks: dict[Words, Words] | None = Field(
        None, max_length=100, description="Memory blocks, texts by label; null for `persona` and `human`."
    )


class ChangedAgent(_AgentSettings):
    """Changes to an agent; fields that are not given stay as they are."""

    expected_version: int | None = Field(
        None, description="Change nothing (409) unless the agent is at this version."
    )


class ShownAgent(Entry):
    """An agent."""

    id: str = Field(description="Begins with `agent-`.")
    object: Literal["agent"] = "agent"
    name: str
    system: str | None
    model: str | None
    model_settings: dict[str, Any]
    tools: list[str]
    time_zone: str
    version: int
    created_at: datetime
    updated_at: datetime


@router.post("", status_code=201, summary="Create an agent", responses=errors(409))
async def create_agent(body: NewAgent, actor: Acting, graph: Serving) -> ShownAgent:
    """Create an agent with its memory blocks. Voice clients use its name or id as their model."""
    resources = graph.resources
    await check_agent(resources, model=body.model, model_settings=body.model_settings, tools=body.tools)
    settings = cast(AgentSettings, body.model_dump(exclude={"name", "blocks"}))
    agent = await resources.store.agents.create(actor, body.name, blocks=body.blocks, **settings)
    return ShownAgent.model_validate(agent)


@router.get("", summary="List the agents", responses=errors())
async def list_agents(actor: Acting, store: Memory, paging: Paging) -> Page[ShownAgent]:
    """List the agents, oldest first. The agent `default` is created by its first call."""
    return page_of_slice(await store.agents.page(actor, paging), ShownAgent.model_validate)


@router.get("/{agent}", summary="Read an agent", responses=errors(404))
async def get_agent(agent: AgentRef, actor: Acting, store: Memory) -> ShownAgent:
    """Read one agent."""
    return ShownAgent.model_validate(await store.agents.get(actor, agent))


@router.patch("/{agent}", summary="Change an agent", responses=errors(404, 409))
async def update_agent(agent: AgentRef, body: ChangedAgent, actor: Acting, graph: Serving) -> ShownAgent:
    """Change the given fields and increase the version. The next step of a running turn sees the change."""
    changes = body.model_dump(exclude_unset=True, exclude={"expected_version"})
    await check_agent(
        graph.resources,
        model=changes.get("model"),
        model_settings=changes.get("model_settings"),
        tools=changes.get("tools", ()),
    )
    changed = await graph.resources.store.agents.update(
        actor, agent, cast(AgentSettings, changes), expected_version=body.expected_version
    )
    return ShownAgent.model_validate(changed)


@router.delete("/{agent}", summary="Delete an agent", responses=errors(404))
async def delete_agent(agent: AgentRef, actor: Acting, graph: Serving) -> Deleted:
    """Delete an agent with its threads, its passages and the blocks that no other agent holds."""
    return Deleted(id=await delete_agent_now(graph, actor, agent), object="agent.deleted")
