"""Which addresses a check or a webhook may call, and how they are shown."""

from __future__ import annotations

import asyncio
import base64
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from tasks.builtin._text import first_line, printable
from tasks.conf import get_config
from tasks.errors import TaskFailed
from tasks.text import gettext as _

_PORTS = {"http": 80, "https": 443}

#: Azure's metadata service, which lies among public addresses.
_METADATA = frozenset({IPv4Address("168.63.129.16")})

#: IPv6 prefixes whose last 32 bits are an IPv4 address that a gateway may dial.
_EMBEDDING = (ip_network("64:ff9b::/96"), ip_network("::/96"))


@dataclass(frozen=True)
class Target:
    """One URL, taken apart."""

    scheme: str
    host: str
    port: int
    #: Path and query, percent-encoded.
    path: str
    #: The Authorization header that credentials in the URL mean; "" for none.
    authorization: str
    #: The URL for people: without credentials, query and fragment, which hold secrets.
    shown: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """Take a URL apart. Raises TaskFailed for what no check can call."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host = _host(parts)
    except ValueError:
        # Its message may repeat the credentials.
        raise _refused() from None
    if parts.scheme not in _PORTS or not host:
        raise _refused()
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~?[]")
    netloc = parts.netloc.rpartition("@")[2]
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        path=f"{path}?{query}" if query else path,
        authorization=_authorization(parts),
        shown=printable(f"{parts.scheme}://{netloc}{path}", 300),
    )


def follow(target: Target, location: str) -> Target:
    """Return where a redirect leads; credentials stay with their origin."""
    there = parse(
        urljoin(f"{target.scheme}://{target.host_header}{target.path}", location)
    )
    kept = target.authorization if there.origin == target.origin else ""
    return Target(**{**vars(there), "authorization": kept})


def _host(parts: SplitResult) -> str:
    """Return the host in ASCII, as DNS and the Host header take it."""
    host = parts.hostname or ""
    if ":" in host:
        return str(IPv6Address(host))
    ascii_host = host.encode("idna").decode("ascii") if host else ""
    if not all(c.isalnum() or c in "-._" for c in ascii_host):
        raise ValueError(host)
    return ascii_host


def _authorization(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _refused() -> TaskFailed:
    return TaskFailed(
        _("This is no address that can be checked; it looks like https://host/path.")
    )


async def resolve(target: Target) -> list[str]:
    """Return the IP addresses that may be dialled for `target`, in their order.

    The caller dials these and never the name: a second answer of the resolver, which
    nobody checked, is not asked for. Raises TaskFailed where there is none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise TaskFailed(
            _("The host %(host)s cannot be resolved (%(reason)s). Check its spelling.")
            % {"host": printable(target.host), "reason": first_line(error)}
        ) from error
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_rest, sockaddr in found))
    if get_config().taskyard_private_urls:
        return addresses
    public = [address for address in addresses if is_public(address)]
    if not public:
        raise TaskFailed(
            _(
                "%(url)s leads to the private address %(address)s, which checks may not"
                " call. An administrator can allow it with TASKYARD_PRIVATE_URLS=1"
                " where the workers run."
            )
            % {"url": target.shown, "address": addresses[0]}
        )
    return public


def is_public(address: str) -> bool:
    """Say whether an IP address belongs to the public Internet.

    Private, loopback, link-local, metadata, multicast and reserved addresses do not;
    nor does an IPv6 address that carries such an IPv4 address.
    """
    ip = ip_address(address)
    embedded = _embedded(ip) if isinstance(ip, IPv6Address) else None
    if embedded is not None:
        return is_public(str(embedded))
    site_local = isinstance(ip, IPv6Address) and ip.is_site_local
    return (
        ip.is_global and not ip.is_multicast and not site_local and ip not in _METADATA
    )


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped or ip.sixtofour:
        return ip.ipv4_mapped or ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    if any(ip in network for network in _EMBEDDING):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None
