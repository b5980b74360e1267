"""The description of the API, for programs and as a page: to this machine, or to whoever has a key.

The page's scripts are Swagger UI's, served from here: it works without a network, and nobody who types a key
into it has to trust another server.
"""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials

from ..access.auth import bearer_key, identified
from ..access.local_access import is_local

_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}


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
    script, style, icon = (f"docs/{name}" for name in _FILES)
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title=request.app.title,
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=icon,
    )


@router.get("/docs/{name}")
async def file(name: str) -> Response:
    """Give a file that the page needs."""
    if name not in _FILES:
        return Response(status_code=404)
    folder = Path(str(files("fastapi_swagger.resources")))
    return FileResponse(folder / name, media_type=_FILES[name])
