"""HTTP clients for model servers, with the environment's proxy and certificates."""

import os
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx2

from ....state.errors import InvalidSetting
from ...text.pasted_values import cleaned
from .proxies import proxy_for


class ProxyFailed(httpx2.ProxyError):
    """The proxy cannot be reached, or cannot reach the server; `variable` names it."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"the proxy of {variable} failed")
        self.variable = variable


@dataclass(frozen=True, slots=True)
class HttpClients:
    """A pooled client for turns, and the blocking one that SDKs require and turns never use."""

    turns: httpx2.AsyncClient
    blocking: httpx2.Client

    async def aclose(self) -> None:
        """Close all connections."""
        await self.turns.aclose()
        self.blocking.close()


def open_clients(url: str, **options: Any) -> HttpClients:
    """Return clients for the server at `url`; `options` are httpx's.

    Raises `InvalidSetting`, naming the variable, if a proxy or certificates cannot be used.
    """
    named = proxy_for(url)
    certificates = _certificates(url)
    common: dict[str, Any] = {"verify": certificates, "trust_env": False, **options}
    if named is None:
        return HttpClients(httpx2.AsyncClient(**common), httpx2.Client(**common))
    limits = {"limits": options["limits"]} if "limits" in options else {}
    transport = _Proxied(named.variable, proxy=named.proxy, verify=certificates, **limits)
    turns = httpx2.AsyncClient(transport=transport, **common)
    return HttpClients(turns, httpx2.Client(proxy=named.proxy, **common))


class _Proxied(httpx2.AsyncHTTPTransport):
    """A transport through a proxy, whose failures name it."""

    def __init__(self, variable: str, **options: Any) -> None:
        super().__init__(trust_env=False, **options)
        self._variable = variable

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        try:
            return await super().handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise
            raise ProxyFailed(self._variable) from error


def _certificates(url: str) -> ssl.SSLContext:
    """Return the trusted certificates, including those of SSL_CERT_FILE or SSL_CERT_DIR.

    They are needed only for `https`: without it, an invalid variable does no harm.
    """
    if not url.lower().startswith("https:"):
        return _usual_certificates()
    named = ((name, cleaned(os.environ.get(name, ""))) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    variable, path = next(((name, path) for name, path in named if path), ("", ""))
    try:
        if variable == "SSL_CERT_FILE":
            return ssl.create_default_context(cafile=path)
        if variable and not any(map(os.path.isdir, path.split(os.pathsep))):
            raise FileNotFoundError
        return ssl.create_default_context(capath=path) if path else _usual_certificates()
    except OSError as error:  # Also `SSLError`, for a file without certificates.
        raise InvalidSetting(
            f"{variable} names no readable certificates: correct the path, or unset the variable"
        ) from error


@lru_cache
def _usual_certificates() -> ssl.SSLContext:
    """Return httpx's default certificates, shared by all clients since reading them takes 20 ms."""
    return httpx2.create_ssl_context(trust_env=False)
