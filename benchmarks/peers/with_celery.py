from __future__ import annotations

import os

from celery import Celery

from benchmarks import marks

app = Celery("benchmark", broker=os.environ["REDIS_URL"])
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_hijack_root_logger = False
TASKS = {name: app.task(getattr(marks, name), name=name) for name in ("mark", "note")}


def enqueue(name: str, number: int) -> None:
    TASKS[name].delay(number)
