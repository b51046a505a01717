"""What `manage.py up` was asked for, checked."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from tasks.text import gettext as _

Address = tuple[str, int]

#: Addresses that mean "every address of this machine"; nobody can connect to them.
EVERY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - they are told apart here, not bound

#: More workers than this on one machine is a slip of the finger.
MOST_WORKERS = 256


@dataclass(frozen=True)
class Options:
    """The options of `manage.py up`."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    #: Seconds that running jobs may take to end when everything stops.
    grace: float = 10.0
    demo: bool = False
    #: Where the embedded Valkey listens besides its socket.
    redis_listen: Address | None = None

    @property
    def base_url(self) -> str:
        """The address of the pages, for a browser on this machine."""
        return f"http://{join_address(reachable_host(self.host), self.port)}"


def reachable_host(host: str) -> str:
    """Return a host that a client on this machine can connect to."""
    if host not in EVERY_ADDRESS:
        return host
    return "::1" if host == "::" else "127.0.0.1"


def join_address(host: str, port: int) -> str:
    """Return host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_port(text: str) -> int:
    """Return the port that `text` names; argparse shows the error."""
    if text.isdecimal() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(
        _("%(value)s is not a port: give a number from 1 to 65535") % {"value": text}
    )


def parse_address(text: str) -> Address:
    """Return the host and port of HOST:PORT; an IPv6 address stands in brackets."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host:
        raise argparse.ArgumentTypeError(
            _("%(value)s is not HOST:PORT, e.g. 192.0.2.7:6379") % {"value": text}
        )
    return host, parse_port(port)


def parse_workers(text: str) -> int:
    if text.isdecimal() and int(text) <= MOST_WORKERS:
        return int(text)
    raise argparse.ArgumentTypeError(
        _("%(value)s is not a number of workers from 0 to %(most)s")
        % {"value": text, "most": MOST_WORKERS}
    )


def parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if 0 <= seconds < float("inf"):
        return seconds
    raise argparse.ArgumentTypeError(
        _("%(value)s is not a number of seconds") % {"value": text}
    )
