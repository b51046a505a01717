"""Coroutines of stock clients, which do not say that they are some."""

from __future__ import annotations

from rq import Queue
from rq.serializers import JSONSerializer

from tasks.worker.loop import Worker
from tests import plain
from tests.engine import client, status
from tests.tasks.worker.running import run_worker, until


def test_they_run_together_once_one_is_known() -> None:
    """With one child, a worker takes one job of which it knows nothing."""
    queue = Queue("default", connection=client(), serializer=JSONSerializer)

    async def script(worker: Worker) -> None:
        await until(lambda: worker.pool.free, 30)
        data = [Queue.prepare_data(plain.meet, (3,)) for _number in range(3)]
        jobs = queue.enqueue_many(data)
        await until(lambda: all(status(job.id) == "finished" for job in jobs))

    run_worker(script, children=1)
