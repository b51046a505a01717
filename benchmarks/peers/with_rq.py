"""A stock RQ client with JSON: the producer of stock workers' jobs and of Taskyard's."""

from __future__ import annotations

import os
from collections.abc import Iterable

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

QUEUE = Queue(
    "taskyard",
    connection=Redis.from_url(os.environ["REDIS_URL"]),
    serializer=JSONSerializer,
)


def enqueue(path: str, *args: object) -> None:
    QUEUE.enqueue(path, *args)


def enqueue_many(path: str, numbers: Iterable[int], *more: object) -> None:
    QUEUE.enqueue_many([Queue.prepare_data(path, (n, *more)) for n in numbers])
