"""When a job is tried again, and when its task asked for that itself."""

from __future__ import annotations

import json
import random

from tasks.broker.attempts import Claimed
from tasks.broker.current import UNSERIALIZABLE, asked_retry
from tasks.broker.pickled import pack_value
from tasks.broker.wire import encode_result, longest_delay, pack_result
from tasks.stored_words import RETRY
from tasks.worker.calls import Outcome


def asks_again(value: object, retries: int, *, pickled: bool = False) -> Outcome | None:
    """Return the outcome of a call that returned RQ's Retry after so many others.

    None for any other value.
    """
    retry = asked_retry(value, retries)
    if retry is None:
        return None
    # A stock worker writes the same where JSON cannot hold the Retry.
    packed = (
        pack_value(value) if pickled else pack_result(encode_result(UNSERIALIZABLE))
    )
    return Outcome(
        "again" if retry.is_left else "exceeded",
        error=RETRY,
        message=repr(value),
        packed=packed,
        retry_after=retry.seconds if retry.is_left else None,
    )


def retry_after(job: Claimed, outcome: Outcome) -> float | None:
    """Return the seconds to wait before the next try, None where there is none.

    Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter",
    2015) for jobs that name a back-off; RQ's own list of intervals for the others.
    """
    if outcome.verb == "again":
        return outcome.retry_after
    if outcome.verb != "fail" or outcome.permanent:
        return None
    left = int(job.number("retries_left") or 0)
    if left <= 0:
        return None
    backoff = job.number("backoff")
    if backoff is not None:
        return random.uniform(0, longest_delay(backoff, job.attempt))  # noqa: S311
    return _rq_interval(job, left)


def _rq_interval(job: Claimed, left: int) -> float:
    """RQ 2.12, `Job.get_retry_interval`: the first serves while more tries are left."""
    try:
        intervals = [
            float(seconds) for seconds in json.loads(job.raw("retry_intervals"))
        ]
    except (ValueError, TypeError):
        return 0.0
    return intervals[max(len(intervals) - left, 0)] if intervals else 0.0
