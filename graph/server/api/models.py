"""`GET /v1/models`: the agents that a client may name as its model."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from ....state.agents.agents import DEFAULT_AGENT, Agent
from ....state.errors import AgentNotFound
from ..access.auth import Acting

router = APIRouter(prefix="/v1", tags=["chat"])


class Model(BaseModel):
    """An agent, as OpenAI's API lists a model."""

    id: str = Field(description="The agent's name, which a client gives as `model`.")
    object: str = "model"
    created: int = Field(description="Seconds since the epoch.")
    owned_by: str = "voicegraph"


class ModelList(BaseModel):
    """All agents of the caller."""

    object: str = "list"
    data: list[Model]


@router.get("/models", summary="The agents, as models")
async def list_models(request: Request, actor: Acting) -> ModelList:
    """Return all agents, always including the default one."""
    agents = request.app.state.graph.resources.store.agents
    known: list[Model] = [_as_model(agent) for agent in await agents.list(actor)]
    if all(model.id != DEFAULT_AGENT for model in known):
        known.append(Model(id=DEFAULT_AGENT, created=0))
    return ModelList(data=known)


@router.get("/models/{model}", summary="One agent, as a model")
async def get_model(model: str, request: Request, actor: Acting) -> Model:
    """Return the agent with this name or id."""
    try:
        return _as_model(await request.app.state.graph.resources.store.agents.get(actor, model))
    except AgentNotFound:
        if model != DEFAULT_AGENT:
            raise
        return Model(id=DEFAULT_AGENT, created=0)


def _as_model(agent: Agent) -> Model:
    return Model(id=agent.name, created=int(agent.created_at.timestamp()))
