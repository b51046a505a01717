from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from celery import Celery

from benchmarks import marks

app = Celery("benchmark", broker=os.environ["REDIS_URL"])
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_hijack_root_logger = False
TASKS = {name: app.task(getattr(marks, name), name=name) for name in ("mark", "note")}


def enqueue(name: str, number: int) -> None:
    TASKS[name].delay(number)


def delay(queue: str, numbers: Sequence[int], due: float) -> None:
    moment = datetime.fromtimestamp(due, UTC)
    for number in numbers:
        TASKS["note"].apply_async((number,), queue=queue, eta=moment)
