"""Recognize requests from programs on this machine: while no key exists, only these are served.

A browser on this machine sends requests for pages from anywhere. It marks them with `Origin` and
`Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/) and sends a preflight before JSON
(https://fetch.spec.whatwg.org/). Foreign names can resolve to this machine, so only host names that always
mean it are accepted.
"""

import ipaddress
from collections.abc import Container
from urllib.parse import urlsplit

from fastapi import Request

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_local(request: Request) -> bool:
    """Return whether the request comes from a program on this machine, not from a proxy or a foreign page."""
    headers, names = request.headers, request.app.state.graph.resources.settings.local_names
    if request.client is None or not is_loopback(request.client.host):
        return False
    if any(name in headers for name in _FORWARDED):
        return False
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    if not _is_near(f"//{headers.get('host', '')}", names):
        return False
    return all(_is_near(origin, names) for origin in headers.getlist("origin"))


def sends_json(request: Request) -> bool:
    """Return whether the body is declared as JSON, which a foreign page cannot send without a preflight."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return sent == "application/json" or sent.endswith("+json")


def is_loopback(host: str) -> bool:
    """Return whether an address or host name is reachable only from this machine."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") in ("localhost", "localhost.localdomain")
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_near(url: str, names: Container[str]) -> bool:
    try:
        host = urlsplit(url).hostname
    except ValueError:  # Not an address, such as `[::1`.
        return False
    return host is not None and (is_loopback(host) or host.rstrip(".") in names)
