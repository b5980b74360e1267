"""Choose the proxy for a server: none for this machine and for hosts in NO_PROXY."""

import importlib.util
import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from ....state.errors import InvalidSetting
from ...text.pasted_values import cleaned

_OWN = "OPENAI_PROXY"
_SYSTEM = "the system's proxy setting"
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class ProxySetting:
    """A proxy and the variable that names it."""

    variable: str
    proxy: httpx2.Proxy


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def proxy_for(url: str) -> ProxySetting | None:
    """Return the environment's proxy for a server, or `None`.

    OPENAI_PROXY wins over HTTPS_PROXY or HTTP_PROXY, by the URL's scheme, and these over ALL_PROXY. Raises
    `InvalidSetting`, naming the variable, if its proxy cannot be used.
    """
    server = urlsplit(url)
    if is_loopback(server.hostname or ""):
        return None
    known = getproxies()
    named = [(_OWN, cleaned(os.environ.get(_OWN, "")))]
    named += [
        (_variable(f"{scheme}_proxy"), cleaned(known.get(scheme, ""))) for scheme in (server.scheme, "all")
    ]
    variable, text = next(((variable, text) for variable, text in named if text), ("", ""))
    if not text or _is_excepted(server, known.get("no", ""), variable):
        return None
    return ProxySetting(variable, _checked(variable, text))


def _checked(variable: str, text: str) -> httpx2.Proxy:
    try:
        proxy = httpx2.Proxy(text if "://" in text else f"http://{text}")
    except (ValueError, httpx2.InvalidURL):
        proxy = None
    port = proxy and (proxy.url.port or 80)
    if proxy is None or port not in range(1, 65536) or not proxy.url.host or re.search(r"\s", text):
        raise InvalidSetting(
            f"{variable} names no usable proxy: write http://HOST:PORT, or https://, socks5:// or "
            "socks5h:// (with the package socksio)"
        )
    if proxy.url.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise InvalidSetting(
            f"{variable} names a SOCKS proxy: install the package socksio, or name an HTTP proxy"
        )
    return proxy


def _variable(name: str) -> str:
    """Return the name of the variable that is set; the lower-case one wins."""
    return next((known for known in (name, name.upper()) if os.environ.get(known)), _SYSTEM)


def _is_excepted(server: SplitResult, exceptions: str, variable: str) -> bool:
    """Return whether NO_PROXY names the server: by host, domain, address, network, or `*` for all."""
    host = (server.hostname or "").rstrip(".").lower()
    port = server.port or {"http": 80, "https": 443}.get(server.scheme)
    if variable == _SYSTEM and proxy_bypass(host):
        return True
    return any(
        _names(entry, host, port) for entry in re.split(r"[,\s]+", cleaned(exceptions).lower()) if entry
    )


def _names(entry: str, host: str, port: int | None) -> bool:
    entry = entry.rpartition("://")[2]
    if entry == "*":
        return True
    address = _address(host)
    if address is not None and "/" in entry:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, its_port = entry, None
    if match := re.fullmatch(r"(\[.*\]|[^:]*):(\d+)", entry):
        name, its_port = match[1], int(match[2])
    if its_port is not None and its_port != port:
        return False
    name = name.strip("[]")
    if address is not None:
        return _address(name) == address
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(name: str) -> _Address | None:
    """Return the host as an IP address, including short IPv4 forms such as `127.1`."""
    try:
        address = ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(name))
        except OSError:
            return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
