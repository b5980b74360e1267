"""Authentication: a request acts for its key's user, or for the local default user while no key exists."""

import math
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ....state.agents.actors import Actor
from ....state.agents.api_keys import PREFIX, keys_stamp
from ....state.database.database import Database
from ....state.errors import InvalidSetting
from ..errors import ApiError
from .keyring import Keyring
from .local_access import is_local, is_loopback, sends_json
from .rates import Rates

_HOW = "Authorization: Bearer vg-..., made by: voicegraph keys create NAME"

bearer_key = HTTPBearer(auto_error=False, scheme_name="key", description=f"`{_HOW}`")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_key)]


async def identified(request: Request, credentials: _Credentials) -> Actor:
    """Return the actor of the request.

    A key, if given, must be valid. Without one, a client on this machine acts for the default user, as long
    as no key was ever created. Otherwise raises `ApiError` 401; also raises `StorageError`.
    """
    keyring: Keyring = request.app.state.keyring
    if await keyring.any_key():
        if credentials is None:
            raise _unauthorized(f"this server needs a key: {_HOW}", "missing_api_key")
        actor = await keyring.actor_of(credentials.credentials)
        if actor is None:
            raise _unauthorized("this key is not valid", "invalid_api_key")
        return actor
    if not is_local(request):
        raise _unauthorized(f"without keys only this machine itself is served: {_HOW}", "missing_api_key")
    if credentials is not None and credentials.credentials.startswith(PREFIX):
        raise _unauthorized("this key is not valid", "invalid_api_key")
    has_body = "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"
    if has_body and not sends_json(request):
        raise ApiError(
            415, "send the body with: Content-Type: application/json", code="unsupported_media_type"
        )
    return Actor()


async def allowed(request: Request, actor: Annotated[Actor, Depends(identified)]) -> Actor:
    """Return the actor of the request and count it. Raises what `identified` does, and `ApiError` 429."""
    refused = over_rate(request, actor)
    if refused is not None:
        raise refused
    return actor


def over_rate(request: Request, actor: Actor) -> ApiError | None:
    """Count a request; return an error if its user is over the limit."""
    rates: Rates = request.app.state.rates
    wait = rates.take(actor)
    if not wait:
        return None
    return ApiError(
        429,
        "too many requests: wait and try again",
        code="rate_limit_exceeded",
        headers={"Retry-After": str(math.ceil(wait))},
    )


Acting = Annotated[Actor, Depends(allowed)]
"""A parameter of a route: the actor, authenticated and within the rate limit."""

Calling = Annotated[Actor, Depends(identified)]
"""The same for routes that call `over_rate` themselves, because a caller listens to the answer."""


async def requires_key(database: Database, host: str) -> bool:
    """Return whether requests at the address `host` need a key; if not, only this machine is served.

    Raises `InvalidSetting` for an address that others can reach while no valid key exists.
    """
    stamp = await keys_stamp(database)
    if stamp.total > stamp.revoked:
        return True
    if not is_loopback(host):
        raise InvalidSetting(
            f"without a key the server listens on this machine only, not at {host}: "
            "create one with: voicegraph keys create NAME"
        )
    return stamp.total > 0


def _unauthorized(message: str, code: str) -> ApiError:
    return ApiError(401, message, code=code, headers={"WWW-Authenticate": "Bearer"})
