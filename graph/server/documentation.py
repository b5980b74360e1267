"""The description of the API, for programs and as a page: to this machine, or to whoever has a key."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials

from .auth import bearer_key, identified
from .local_access import is_local


async def _welcome(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_key)]
) -> None:
    if not is_local(request):
        await identified(request, credentials)


router = APIRouter(include_in_schema=False, dependencies=[Depends(_welcome)])


@router.get("/openapi.json")
async def description(request: Request) -> Response:
    """Describe the API as OpenAPI does."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def page(request: Request) -> Response:
    """Show the description as a page that tries requests."""
    return get_swagger_ui_html(openapi_url="/openapi.json", title=request.app.title)
