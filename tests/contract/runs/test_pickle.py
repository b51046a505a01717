"""Jobs of clients that keep RQ's default serializer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from rq import Callback, Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from tasks.models import Job as JobRow
from tests.conftest import wait_until
from tests.contract import functions
from tests.contract.functions import Point, Unpickled
from tests.contract.running import Runner
from tests.engine import client, record_all
from tests.tasks.builtin.conftest import Configure

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("function", [functions.mirror, functions.mirror_async])
def test_arguments_and_return_values_of_any_type(
    pickling: Runner, function: Any
) -> None:
    job = pickling.run(function, Point(1, 2))
    assert job.is_finished, job.latest_result()
    # A client that names no serializer.
    assert Job.fetch(job.id, client()).return_value() == Point(2, 1)


def test_a_method_of_an_object(pickling: Runner) -> None:
    job = pickling.run(Point(1, 2).moved, 5)
    assert job.return_value() == Point(6, 2)


def test_meta_of_any_type(pickling: Runner) -> None:
    job = pickling.run(
        functions.add_to_meta, "there", Point(3, 4), meta={"here": Point(1, 2)}
    )
    assert job.is_finished, job.latest_result()
    meta = Job.fetch(job.id, client()).get_meta()
    assert meta == {"here": Point(1, 2), "there": Point(3, 4)}


def test_a_queue_that_reads_no_pickle(runner: Runner) -> None:
    queue = Queue("contract", connection=client())
    job = queue.enqueue(functions.multiply, 2)
    wait_until(lambda: job.is_failed)
    if runner.is_ours:
        text = str(runner.fetch(job).latest_result().exc_string)  # type: ignore[union-attr]
        assert "The job is pickled, which this queue does not read" in text


def test_only_a_child_unpickles(pickling: Runner, tmp_path: Path) -> None:
    """A stock worker's own process does too, and its web page's."""
    path = tmp_path / "readers"
    meta = {"there": Unpickled(path)}
    on_failure = Callback(functions.tell_failure)
    job = pickling.run(functions.die, Unpickled(path), meta=meta, on_failure=on_failure)
    readers = {int(line) for line in path.read_text().split()}
    assert job.is_failed
    # The client's own look at the meta, which `wait` has taken.
    readers -= {os.getpid()}
    if pickling.is_ours:
        assert readers
        assert pickling.process.pid not in readers


@pytest.mark.django_db
def test_the_ledger_says_that_the_arguments_are_pickled(
    pickling: Runner, tmp_path: Path, configure: Configure
) -> None:
    configure(TASKYARD_PICKLE_QUEUES=pickling.name)
    path = tmp_path / "readers"
    job = pickling.enqueue(functions.mirror, Unpickled(path), description="Mirror it")
    wait_until(lambda: job.is_failed)
    if pickling.is_ours:
        record_all()
        row = JobRow.objects.get(pk=job.id)
        assert row.task == "tests.contract.functions.mirror"
        assert (
            row.unreadable
            == "The arguments are pickled: only a worker's child reads them."
        )
        assert str(os.getpid()) not in path.read_text().split()


def test_a_queue_that_reads_pickle_reads_json_too(pickling: Runner) -> None:
    if not pickling.is_ours:
        return  # a stock worker has one serializer
    queue = Queue(pickling.name, connection=client(), serializer=JSONSerializer)
    job = queue.enqueue(functions.multiply, 2)
    wait_until(lambda: job.is_finished)
    assert job.return_value() == 2


def test_no_result_is_none(pickling: Runner) -> None:
    job = pickling.run(functions.nothing)
    assert [result.return_value for result in job.results()] == [None]
