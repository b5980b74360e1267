"""`/health`, `/ready` and `/metrics`: for those who look after the process."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel

from ...state.actors import Actor
from ...state.errors import StorageError
from .auth import bearer_key, identified
from .errors import RETRY_AFTER, ApiError
from .keyring import Keyring
from .local_access import is_local
from .metrics import CONTENT_TYPE, Metrics

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether new calls may be sent here, and why not."""

    status: Literal["ready", "draining", "no database"]


@router.get("/health", summary="Is it alive?")
async def health() -> Health:
    """Answer; nothing is looked at, and no key is needed."""
    return Health()


@router.get(
    "/ready",
    summary="May calls be sent here?",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not now: it is ending, or has no database."}},
)
async def ready(request: Request) -> Response:
    """Answer 200 when the database answers and the process is not about to end. No key is needed."""
    if request.app.state.draining:
        return _readiness(Readiness(status="draining"))
    keyring: Keyring = request.app.state.keyring
    others = request.app.state.graph.resources.others
    try:
        await keyring.look()
        if others is not None and not others.is_linked:
            return _readiness(Readiness(status="no database"))
    except StorageError:
        return _readiness(Readiness(status="no database"))
    return _readiness(Readiness(status="ready"))


@router.get("/metrics", summary="What is measured", response_class=Response)
async def metrics(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_key)]
) -> Response:
    """Give all metrics in the text format of Prometheus: to this machine, or with a key of the default user.

    They are sums over all users and hold no words of anybody.
    """
    if not is_local(request) and await identified(request, credentials) != Actor():
        raise ApiError(403, "metrics need a key of the default user", code="forbidden")
    measured: Metrics = request.app.state.metrics
    return Response(measured.text(), media_type=CONTENT_TYPE)


def _readiness(answer: Readiness) -> Response:
    if answer.status == "ready":
        return JSONResponse(answer.model_dump())
    return JSONResponse(answer.model_dump(), 503, RETRY_AFTER)
