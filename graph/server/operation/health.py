"""`/health`, `/ready` and `/metrics`: for operators."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, Field

from ....state.agents.actors import Actor
from ....state.errors import StorageError
from ...resources import Resources
from ..access.auth import bearer_key, identified
from ..access.keyring import Keyring
from ..access.local_access import is_local
from ..errors import RETRY_AFTER, ApiError
from .metrics import CONTENT_TYPE, Metrics
from .readiness import WriteProbe

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether the server accepts new calls, and why not."""

    status: Literal["ready", "draining", "no database", "cannot store"]
    reason: str | None = Field(None, description="Why the database cannot be used.")


@router.get("/health", summary="Liveness")
async def health() -> Health:
    """Answer 200 without any check. No key is needed."""
    return Health()


@router.get(
    "/ready",
    summary="Readiness",
    response_model=Readiness,
    responses={
        503: {"model": Readiness, "description": "Not ready: shutting down, or the database cannot be used."}
    },
)
async def ready(request: Request) -> Response:
    """Answer 200 unless the process is shutting down or its database cannot be read and written.

    No key is needed.
    """
    if request.app.state.draining:
        return _readiness(Readiness(status="draining", reason=None))
    keyring: Keyring = request.app.state.keyring
    resources: Resources = request.app.state.graph.resources
    try:
        await keyring.look()
        if not resources.owner.is_linked:
            return _readiness(Readiness(status="no database", reason="the database cannot be reached"))
    except StorageError as error:
        return _readiness(Readiness(status="no database", reason=error.public))
    storing: WriteProbe = request.app.state.storing
    problem = await storing.problem()
    if problem is not None:
        return _readiness(Readiness(status="cannot store", reason=problem.public))
    return _readiness(Readiness(status="ready", reason=None))


@router.get("/metrics", summary="Metrics", response_class=Response)
async def metrics(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_key)]
) -> Response:
    """Return all metrics in Prometheus' text format; for this machine, or with a key of the default user.

    They are sums over all users and contain no conversation.
    """
    if not is_local(request) and await identified(request, credentials) != Actor():
        raise ApiError(403, "metrics need a key of the default user", code="forbidden")
    measured: Metrics = request.app.state.metrics
    return Response(measured.text(), media_type=CONTENT_TYPE)


def _readiness(answer: Readiness) -> Response:
    shown = answer.model_dump(exclude_none=True)
    return JSONResponse(shown) if answer.status == "ready" else JSONResponse(shown, 503, RETRY_AFTER)
