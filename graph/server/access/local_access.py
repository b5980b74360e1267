"""Which requests come from programs on this machine: without any key, these alone are served.

A browser on this machine sends requests of pages from anywhere. It tells so in `Origin` and `Sec-Fetch-Site`
(https://www.w3.org/TR/fetch-metadata/), asks before it sends JSON (https://fetch.spec.whatwg.org/), and
reaches this machine by names that lead here, so that only names that can lead nowhere else are taken.
"""

import ipaddress
from collections.abc import Container
from urllib.parse import urlsplit

from fastapi import Request

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def is_local(request: Request) -> bool:
    """Return whether a program on this machine asks, no proxy for others and no page from elsewhere."""
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
    """Return whether the body is said to be JSON, which a page may not send elsewhere unasked."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return sent == "application/json" or sent.endswith("+json")


def is_loopback(host: str) -> bool:
    """Return whether an address or host name can be reached from this machine alone."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") in ("localhost", "localhost.localdomain")
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_near(url: str, names: Container[str]) -> bool:
    try:
        host = urlsplit(url).hostname
    except ValueError:  # No address at all, such as `[::1`.
        return False
    return host is not None and (is_loopback(host) or host.rstrip(".") in names)
