"""One HTTP/1.1 exchange over a connection to a given IP address."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from functools import cache
from http import HTTPStatus

import h11

from tasks.builtin._text import first_line, printable
from tasks.errors import TaskFailed
from tasks.outbound.address import Target
from tasks.text import gettext as _

#: At most so much of a body is read, in bytes.
BODY_LIMIT = 1 << 20

#: Status line and headers may take so many bytes.
HEAD_LIMIT = 64 << 10

#: Seconds after which the next address of the host is tried.
CONNECT_LIMIT = 3

_BLOCK = 64 << 10


@dataclass(frozen=True)
class Request:
    """What is asked of a server."""

    method: str
    #: Headers besides those that every request has, which they may replace.
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    address: str
    body: bytes = b""
    is_cut: bool = False
    #: Milliseconds each step took.
    timing: dict[str, float] = field(default_factory=dict)
    certificate_ends: float | None = None

    @property
    def reason(self) -> str:
        """The status with its standard words; the server's own may say anything."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return str(self.status)

    def text(self) -> str:
        """Return the body as text, in the charset that the server names."""
        head = Message()
        head["content-type"] = self.headers.get("content-type", "")
        try:
            return self.body.decode(head.get_content_charset("utf-8"), "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


class Stopwatch:
    """Milliseconds since the last look, by step."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self._since = time.perf_counter()

    def note(self, step: str) -> None:
        now = time.perf_counter()
        self.steps[step] = round((now - self._since) * 1000, 1)
        self._since = now


async def exchange(
    target: Target, addresses: Sequence[str], request: Request
) -> Answer:
    """Send one request to the first of `addresses` that accepts, read the answer.

    Raises TaskFailed where nobody answers in HTTP. The caller limits the time.
    """
    watch = Stopwatch()
    async with _connection(target, addresses) as (reader, writer):
        watch.note("connect_ms")
        protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        try:
            writer.write(_packed(protocol, target, request))
            await writer.drain()
            answer = await _read(protocol, reader, watch)
        except (h11.ProtocolError, OSError) as error:
            raise TaskFailed(
                _(
                    "%(url)s does not answer in HTTP (%(reason)s). Check the port, and"
                    " http against https."
                )
                % {"url": target.shown, "reason": first_line(error)}
            ) from error
        answer.address = writer.get_extra_info("peername")[0]
        answer.certificate_ends = _certificate_end(writer)
    return answer


@asynccontextmanager
async def _connection(
    target: Target, addresses: Sequence[str]
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await _dial(target, addresses)
    try:
        yield reader, writer
    finally:
        # Not close(): a TLS peer that never says goodbye would be waited for.
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def _dial(
    target: Target, addresses: Sequence[str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    secure = target.scheme == "https"
    problem: OSError | None = None
    for address in addresses:
        is_last = address == addresses[-1]
        try:
            async with asyncio.timeout(None if is_last else CONNECT_LIMIT):
                return await asyncio.open_connection(
                    address,
                    target.port,
                    ssl=_tls() if secure else None,
                    server_hostname=target.host if secure else None,
                )
        except ssl.SSLError as error:
            raise _tls_failed(target, error) from error
        except OSError as error:
            problem = error
    raise TaskFailed(
        _("%(url)s cannot be reached: %(reason)s. Check that the server runs.")
        % {"url": target.shown, "reason": _reason(problem)}
    ) from problem


def _reason(problem: OSError | None) -> str:
    """Return the system's words; asyncio's only repeat the address."""
    if problem is not None and problem.errno:
        return os.strerror(problem.errno)
    return _("it did not answer")


def _tls_failed(target: Target, error: ssl.SSLError) -> TaskFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        sentence = _(
            "The certificate of %(host)s is not valid: %(reason)s. Renew or correct it."
        )
        reason = error.verify_message
    else:
        sentence = _(
            "%(host)s does not speak TLS on this port (%(reason)s). Check the port, and"
            " http against https."
        )
        reason = error.reason or first_line(error)
    return TaskFailed(
        sentence % {"host": printable(target.host_header), "reason": printable(reason)}
    )


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _packed(protocol: h11.Connection, target: Target, request: Request) -> bytes:
    parts = [
        h11.Request(
            method=request.method,
            target=target.path,
            headers=list(_request_headers(target, request).items()),
        ),
        *([h11.Data(data=request.body)] if request.body else []),
        h11.EndOfMessage(),
    ]
    return b"".join(protocol.send(part) or b"" for part in parts)


def _request_headers(target: Target, request: Request) -> dict[str, str]:
    headers = {
        "host": target.host_header,
        "user-agent": "Taskyard",
        "accept": "*/*",
        "accept-encoding": "identity",
    }
    if target.authorization:
        headers["authorization"] = target.authorization
    headers |= {name.lower(): value for name, value in request.headers.items()}
    if request.body:
        headers["content-length"] = str(len(request.body))
    return {**headers, "connection": "close"}


async def _read(
    protocol: h11.Connection,
    reader: asyncio.StreamReader,
    watch: Stopwatch,
) -> Answer:
    answer: Answer | None = None
    body = bytearray()
    while True:
        event = protocol.next_event()
        if event is h11.NEED_DATA:
            protocol.receive_data(await reader.read(_BLOCK))
        elif isinstance(event, h11.Response):
            watch.note("first_byte_ms")
            answer = Answer(event.status_code, _headers(event), "", timing=watch.steps)
        elif isinstance(event, h11.Data):
            body += event.data
        if answer and (len(body) > BODY_LIMIT or isinstance(event, h11.EndOfMessage)):
            watch.note("body_ms")
            answer.body, answer.is_cut = (
                bytes(body[:BODY_LIMIT]),
                len(body) > BODY_LIMIT,
            )
            return answer
        if isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError(_("the connection was closed"))


def _headers(response: h11.Response) -> dict[str, str]:
    return {
        name.decode("ascii"): value.decode("latin-1")
        for name, value in response.headers
    }


def _certificate_end(writer: asyncio.StreamWriter) -> float | None:
    certificate = writer.get_extra_info("peercert")
    if not certificate:
        return None
    return float(ssl.cert_time_to_seconds(certificate["notAfter"]))
