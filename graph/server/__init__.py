"""The HTTP server: an OpenAI-compatible endpoint for voice clients, and a management API.

The only package that imports the web framework. Importing it raises `MissingExtra` without the extra `serve`.
"""

from importlib.util import find_spec

from ...state.errors import MissingExtra

if not all(find_spec(name) for name in ("fastapi", "prometheus_client", "uvicorn")):
    raise MissingExtra("serve", "the HTTP server")
