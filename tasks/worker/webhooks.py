"""Webhooks that stock RQ clients give their jobs: sent once the end is written, by a
thread of their own, and never the cause of anything else."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.broker.attempts import Claimed, Settlement
from tasks.broker.pickled import peek_path
from tasks.broker.wire import (
    PayloadPickled,
    PayloadUnreadable,
    parse_date,
    unpack_call,
)
from tasks.errors import TaskFailed
from tasks.outbound import address, http
from tasks.outbound.http import Answer, Request
from tasks.text import gettext as _

logger = logging.getLogger(__name__)

#: Webhooks on their way at once; more wait, and beyond the second number are dropped.
AT_ONCE, MOST_PENDING = 20, 10_000

#: A webhook may take its own timeout, but no more seconds than this.
LONGEST = 60

#: Redirects that are followed.
MAX_REDIRECTS = 3

#: RQ's word for an end, by the verb that settled it and the state that it led to.
_ENDS = {
    ("finish", "finished"): "finished",
    ("fail", "failed"): "failed",
    ("exceeded", "failed"): "failed",
}


@dataclass(frozen=True)
class Webhook:
    """One HTTP request that a job's client asked for."""

    url: str
    job_status: str
    method: str = "GET"
    headers: Mapping[str, str] | None = None
    timeout: float = 10

    def request(self, payload: Mapping[str, Any]) -> Request:
        own = self.headers or {}
        if self.method == "GET":
            return Request("GET", own)
        body = json.dumps(payload).encode()
        return Request("POST", {"Content-Type": "application/json", **own}, body)


class Messenger:
    """Sends webhooks; its thread starts with the first of them."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._pending: set[Future[None]] = set()

    def tell(self, settlement: Settlement, state: str) -> None:
        """Send what the job's client asked for at this end, if anything."""
        end = _ENDS.get((settlement.verb, state))
        if end is None or not settlement.job.raw("webhooks"):
            return
        payload = payload_of(settlement, end, datetime.now(UTC))
        for webhook in webhooks_of(settlement.job):
            if webhook.job_status == end:
                self._send(webhook, payload)

    def close(self, seconds: float = 5) -> None:
        """Give what is on its way so long to arrive, and end."""
        if not self._thread.is_alive():
            return
        left = wait(tuple(self._pending), seconds).not_done
        if left:
            logger.warning("%s webhooks were not sent in time", len(left))
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _send(self, webhook: Webhook, payload: Mapping[str, Any]) -> None:
        if len(self._pending) >= MOST_PENDING:
            logger.warning("a webhook of job %s was dropped", payload["job_id"])
            return
        if not self._ready.is_set():
            self._thread.start()
            self._ready.wait()
        delivery = self._deliver(webhook, payload)
        sent = asyncio.run_coroutine_threadsafe(delivery, self._loop)
        self._pending.add(sent)
        sent.add_done_callback(self._pending.discard)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._ended = asyncio.Event()
        self._ready.set()
        await self._ended.wait()

    async def _deliver(self, webhook: Webhook, payload: Mapping[str, Any]) -> None:
        try:
            async with self._slots, asyncio.timeout(min(webhook.timeout, LONGEST)):
                await deliver(webhook, payload)
        except Exception as error:  # its client's URL, headers and server: anything
            why = str(error) or type(error).__name__
            job_id = payload["job_id"]
            logger.warning("a webhook of job %s could not be sent: %s", job_id, why)


async def deliver(webhook: Webhook, payload: Mapping[str, Any]) -> None:
    """Send one webhook. Raises TaskFailed where it may not be sent or is refused."""
    target, request = address.parse(webhook.url), webhook.request(payload)
    for _hop in range(MAX_REDIRECTS + 1):
        answer = await http.exchange(target, await address.resolve(target), request)
        if not _is_redirect(answer, request):
            break
        there = address.follow(target, answer.headers["location"])
        # What a header says to one server, a token perhaps, is not for another.
        own = request.headers if there.origin == target.origin else {}
        target, request = there, Request("GET", own)
    if answer.status >= 300:
        raise TaskFailed(
            _("%(url)s answered %(answer)s")
            % {"url": target.shown, "answer": answer.reason}
        )


def _is_redirect(answer: Answer, request: Request) -> bool:
    """Say whether a stock worker would follow: with a GET, and to a GET only."""
    kinds = (301, 302, 303, 307, 308) if request.method == "GET" else (301, 302, 303)
    return answer.status in kinds and "location" in answer.headers


def webhooks_of(job: Claimed) -> Sequence[Webhook]:
    """Return the webhooks of a job; what cannot be read is none, and logged."""
    try:
        return [Webhook(**fields) for fields in json.loads(job.raw("webhooks"))]
    except (ValueError, TypeError) as error:
        logger.warning("the webhooks of job %s cannot be read: %s", job.id, error)
        return []


def payload_of(settlement: Settlement, end: str, at: datetime) -> dict[str, Any]:
    """Return what a POST says, in RQ's words."""
    job = settlement.job
    enqueued_at = parse_date(job.raw("enqueued_at"))
    payload: dict[str, Any] = {
        "job_id": job.id,
        "func_name": _path_of(job),
        "status": end,
        "enqueued_at": enqueued_at.isoformat() if enqueued_at else None,
        "ended_at": at.isoformat(),
    }
    if end == "failed":
        payload["exc_info"] = settlement.traceback
    return payload


def _path_of(job: Claimed) -> str:
    try:
        return unpack_call(job.raw("data"))[0]
    except PayloadPickled as error:
        return peek_path(error.pickled)
    except PayloadUnreadable:
        return ""
