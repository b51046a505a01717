"""The jobs of rq's cron (django-rq's `rqcron`), as its schedulers tell them to Redis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client

Facts = Mapping[str, Any]


def read_cron_jobs() -> list[Facts]:
    """Return what the running ones have registered, one of each name and queue.

    Raises BrokerUnavailable.
    """
    client: Any = get_client()
    with broker_errors():
        names = client.zrange(keys.CRON_SCHEDULERS, 0, -1)
        with client.pipeline(transaction=False) as pipeline:
            for name in names:
                key = keys.cron_scheduler(name.decode("utf-8", "replace"))
                pipeline.hget(key, "cron_jobs")
            written = pipeline.execute()
    jobs = (job for text in written for job in _parse(text))
    return list({json.dumps(_identity(job), default=str): job for job in jobs}.values())


def _parse(text: bytes | None) -> list[Facts]:
    try:
        jobs = json.loads(text or b"[]")
    except ValueError:
        return []
    return [job for job in jobs if isinstance(job, dict)]


def _identity(job: Facts) -> list[Any]:
    """Return what makes two schedulers' jobs the same; not when each ran last."""
    times = ("latest_enqueue_time", "next_enqueue_time")
    return sorted((name, value) for name, value in job.items() if name not in times)
