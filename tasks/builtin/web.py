"""A check of a web address: status, timing, expected text."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Literal

from pydantic import Field

from tasks.builtin._text import printable
from tasks.errors import TaskFailed
from tasks.outbound import address, http
from tasks.outbound.address import Target
from tasks.outbound.http import Answer, Request
from tasks.registry import task
from tasks.text import gettext as _
from tasks.text import gettext_noop
from tasks.worker.context import current_job

#: Redirects that are followed.
MAX_REDIRECTS = 3

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_DAY = 86_400


@task(
    name="check_url",
    timeout=330,
    description=gettext_noop(
        "Check that a web address answers, how fast, and with the expected text."
    ),
)
async def check_url(
    url: str,
    expect_text: str = "",
    *,
    expect_status: Annotated[int, Field(ge=100, le=599)] = 200,
    method: Literal["GET", "HEAD"] = "GET",
    timeout_seconds: Annotated[float, Field(ge=0.1, le=300)] = 10,
) -> dict[str, Any]:
    """Check that a web address answers, how fast, and with the expected text.

    Up to 3 redirects are followed, unless `expect_status` is itself a redirect's. The
    text is searched in the first 1 MiB. `timeout_seconds` limits the whole check.
    Private addresses are refused unless TASKYARD_PRIVATE_URLS allows them, after a
    redirect too. Proxies are not used. Credentials in the URL go to its own server.
    """
    if expect_text and method == "HEAD":
        raise TaskFailed(
            _("A HEAD request brings no text; choose GET to look for one.")
        )
    check = _Check(method, expect_status)
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_seconds):
            answer = await check.run(address.parse(url))
    except TimeoutError as error:
        raise check.timed_out(timeout_seconds) from error
    total_ms = round((time.perf_counter() - started) * 1000, 1)
    _expect(answer, check.target, expect_status, expect_text)
    return {
        "url": check.target.shown,
        "status": answer.status,
        "answer": answer.reason,
        "total_ms": total_ms,
        "timing": answer.timing,
        "address": answer.address,
        "redirects": check.hops,
        "content_type": printable(answer.headers.get("content-type", "")),
        "body_bytes": len(answer.body),
        "body_cut": answer.is_cut,
        "text_found": True if expect_text else None,
        "certificate_days_left": _days_left(answer),
    }


class _Check:
    """One check, along its redirects; it knows where it stands when time is up."""

    def __init__(self, method: str, expect_status: int) -> None:
        self.method = method
        self.expect_status = expect_status
        self.hops: list[str] = []
        self.target: Target
        self._doing = ""

    async def run(self, target: Target) -> Answer:
        while True:
            answer = await self._ask(target)
            location = answer.headers.get("location")
            is_redirect = answer.status in _REDIRECTS and location
            if not is_redirect or answer.status == self.expect_status:
                return answer
            if len(self.hops) == MAX_REDIRECTS:
                raise TaskFailed(
                    _(
                        "%(url)s redirects for the fourth time; at most 3 redirects are"
                        " followed. Check the address that it should lead to."
                    )
                    % {"url": target.shown}
                )
            target = address.follow(target, str(location))
            self.hops.append(target.shown)

    async def _ask(self, target: Target) -> Answer:
        self.target = target
        self._doing = _("resolving the host name")
        watch = http.Stopwatch()
        addresses = await address.resolve(target)
        watch.note("resolve_ms")
        self._doing = _("waiting for the answer")
        current_job().progress(len(self.hops), None, target.shown)
        answer = await http.exchange(target, addresses, Request(self.method))
        answer.timing = watch.steps | answer.timing
        return answer

    def timed_out(self, seconds: float) -> TaskFailed:
        return TaskFailed(
            _(
                "%(url)s did not answer within %(seconds)s s (%(doing)s). Check that"
                " the server runs and can be reached, or allow more time."
            )
            % {
                "url": self.target.shown,
                "seconds": f"{seconds:g}",
                "doing": self._doing,
            }
        )


def _expect(answer: Answer, target: Target, status: int, text: str) -> None:
    facts = {
        "url": target.shown,
        "answer": answer.reason,
        "expected": status,
        "text": printable(text, 100),
    }
    if answer.status != status:
        raise TaskFailed(
            _("%(url)s answered %(answer)s; %(expected)s was expected.") % facts
        )
    if not text:
        return
    encoding = answer.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise TaskFailed(
            _(
                "%(url)s sent a compressed body (%(encoding)s) although it was asked"
                " not to, so the text cannot be looked for; leave expect_text empty."
            )
            % {**facts, "encoding": printable(encoding, 30)}
        )
    if text not in answer.text():
        sentence = (
            _("%(url)s answered %(answer)s, without “%(text)s” in its first 1 MiB.")
            if answer.is_cut
            else _("%(url)s answered %(answer)s, without “%(text)s” in its text.")
        )
        raise TaskFailed(sentence % facts)


def _days_left(answer: Answer) -> int | None:
    if answer.certificate_ends is None:
        return None
    return int((answer.certificate_ends - time.time()) // _DAY)
