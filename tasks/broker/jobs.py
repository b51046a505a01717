"""Single jobs in Redis: what has become of one, and the acts on one."""

from __future__ import annotations

import base64
import json
import math
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from tasks.broker import keys
from tasks.broker.client import broker_errors, connection_options, get_client
from tasks.broker.scripts import invoke
from tasks.conf import get_config
from tasks.states import ENDED, State

#: Seconds that a caller who waits for a result blocks in one read.
BLOCK_FOR = 1.0


@dataclass(frozen=True)
class Outcome:
    """How a job ended, as Redis still knows it."""

    state: State
    #: The return value as JSON, '' for none.
    result: str = ""
    #: The traceback, whose last line names the error.
    traceback: str = ""


def read_state(job_id: str) -> State | None:
    """Return RQ's status of a job, or None where Redis has forgotten it."""
    with broker_errors():
        status = get_client().hget(keys.job(job_id), "status")
    return _state(status)


def known_states(job_ids: list[str]) -> dict[str, State]:
    """Return the status of each of the jobs that Redis knows."""
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hget(keys.job(job_id), "status")
        answers = pipeline.execute()
    states = zip(job_ids, map(_state, answers), strict=True)
    return {job_id: state for job_id, state in states if state}


def _state(status: Any) -> State | None:
    try:
        return State(status.decode()) if status else None
    except ValueError:
        return None


def wait_for_outcome(
    job_id: str, timeout: float | None, is_expected: Callable[[], bool]
) -> Outcome | None:
    """Return how a job ended; None where Redis does not know it.

    While `is_expected` says so, a job that Redis does not know is waited for. Raises
    TimeoutError when it has not ended within `timeout` seconds, and BrokerUnavailable.
    """
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    url = get_config().broker_url()
    client = redis.Redis.from_url(url, **connection_options(BLOCK_FOR + 2))
    try:
        while True:
            with broker_errors():
                # Read first: a result that comes after it ends the wait below.
                last = _last_result(client, job_id)
                state = _state(client.hget(keys.job(job_id), "status"))
                if state in ENDED:
                    return _outcome(client, job_id, state)
            if state is None and not is_expected():
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            with broker_errors():
                _await_result(client, job_id, last, min(left, BLOCK_FOR))
    finally:
        client.close()


def _last_result(client: redis.Redis, job_id: str) -> bytes:
    entries: Any = client.xrevrange(keys.results(job_id), count=1)
    return entries[0][0] if entries else b"0-0"


def _await_result(
    client: redis.Redis, job_id: str, after: bytes, seconds: float
) -> None:
    block = max(1, int(seconds * 1000))
    client.xread({keys.results(job_id): after}, count=1, block=block)


def _outcome(client: redis.Redis, job_id: str, state: State) -> Outcome:
    entries: Any = client.xrevrange(keys.results(job_id), count=1)
    fields = entries[0][1] if entries else {}
    value = base64.b64decode(fields.get(b"return_value", b"")).decode()
    packed = base64.b64decode(fields.get(b"exc_string", b""))
    text = zlib.decompress(packed).decode() if packed else ""
    return Outcome(state, value if state == State.FINISHED else "", text)


def cancel(job_id: str, who: str) -> tuple[bool, str]:
    """Take a waiting job out. Returns whether it was, and the state it was in ('': gone)."""
    with broker_errors():
        done, state = invoke(get_client(), "cancel", (), (job_id, who))
    return bool(done), state.decode()


def retry(job_id: str, who: str) -> tuple[bool, str]:
    """Queue an ended job again. Returns whether it was, and its state ('': gone)."""
    with broker_errors():
        done, state = invoke(get_client(), "retry", (), (job_id, who))
    return bool(done), state.decode()


def request_stop(job_id: str) -> bool:
    """Ask the worker that runs a job to end it; say whether a worker heard it."""
    with broker_errors():
        client = get_client()
        worker = client.hget(keys.job(job_id), "worker_name")
        if not worker:
            return False
        command = json.dumps({"command": "stop-job", "job_id": job_id})
        name = worker.decode()  # type: ignore[union-attr]
        return bool(client.publish(keys.worker_commands(name), command))
