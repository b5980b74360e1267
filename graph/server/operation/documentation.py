"""The API documentation, as OpenAPI and as a page; for this machine, or with a key.

The page uses Swagger UI, served from here: it works without a network, and a key typed into it reaches no
other server.
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
    """Return the OpenAPI schema."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def page(request: Request) -> Response:
    """Return the interactive documentation page."""
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
    """Return a file that the page needs."""
    if name not in _FILES:
        return Response(status_code=404)
    folder = Path(str(files("fastapi_swagger.resources")))
    return FileResponse(folder / name, media_type=_FILES[name])
