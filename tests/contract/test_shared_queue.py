"""A stock `rq worker` and one of ours on the same queues."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.contract.stock import JSON, fetch, queue, rq_command, workers
from tests.engine import client, push_job, status, waiting
from tests.integration.conftest import START, Fleet
from tests.tasks.worker.running import run_until

pytestmark = pytest.mark.integration

JOBS = 400

NOTE = "tests.sample.note"


def start_stock_worker(fleet: Fleet, name: str, *queues: str) -> None:
    """Start RQ's own worker, with the functions imported before it forks."""
    words = ["worker", "--quiet", "--serializer", JSON, "--name", name]
    preload = "import tests.sample; from rq.cli import main; main()"
    options = rq_command(*words, "--worker-ttl", "60", *queues)[2:]
    fleet.start("-c", preload, *options, PYTHONPATH=".")
    wait_until(lambda: name in {worker.name for worker in workers()}, START)


def push_note(number: int, path: Path) -> str:
    """Push one of two jobs as we do, the other as a stock client does."""
    job_id = f"j{number}"
    if number % 2:
        push_job(job_id, task=NOTE, path=NOTE, kwargs={"path": str(path)})
    else:
        queue().enqueue(NOTE, str(path), job_id=job_id)
    return job_id


def test_both_kinds_of_worker_share_a_queue(fleet: Fleet, tmp_path: Path) -> None:
    start_stock_worker(fleet, "stock", "default")
    fleet.worker("--children", "1", "--queues", "default", name="ours")
    ids = [push_note(number, tmp_path / "noted") for number in range(JOBS)]
    wait_until(lambda: all(status(job_id) == "finished" for job_id in ids), START)
    jobs = [fetch(job_id) for job_id in ids]
    shares = Counter(job.worker_name for job in jobs)
    assert set(shares) == {"stock", "ours"}
    # A stock worker's child has no id to note for our `current_job`.
    noted = Counter((tmp_path / "noted").read_text().splitlines())
    assert sum(noted.values()) == JOBS
    assert all(noted[job.id] == 1 for job in jobs if job.worker_name == "ours")
    assert {len(job.results()) for job in jobs} == {1}
    assert (waiting(), client().zcard("rq:wip:default")) == ([], 0)
    done = {worker.name: worker.successful_job_count for worker in workers()}
    assert done == shares


def push_chain(parent: str, child: str, *, ours: bool) -> list[str]:
    """Push a job to queue `parent` and one that waits for it to queue `child`."""
    first, then = f"{parent}-{ours}", f"{child}-after-{parent}-{ours}"
    if ours:
        push_job(first, queue=parent)
        push_job(then, queue=child, depends_on=[first])
    else:
        queue(parent).enqueue("tests.sample.add", 1, job_id=first)
        queue(child).enqueue("tests.sample.add", 1, job_id=then, depends_on=first)
    return [first, then]


def test_dependencies_cross_from_one_kind_to_the_other(fleet: Fleet) -> None:
    ids = []
    for ours in (True, False):
        ids += push_chain("theirs", "ours", ours=ours)
        ids += push_chain("ours", "theirs", ours=ours)
    start_stock_worker(fleet, "stock", "theirs")
    run_until(
        lambda: all(status(job_id) == "finished" for job_id in ids), "ours", children=1
    )


def test_a_job_waits_for_parents_of_both_kinds(fleet: Fleet) -> None:
    for parent in ("theirs", "ours"):
        push_job(parent, queue=parent)
    push_job("child", queue="ours", depends_on=["theirs", "ours"])
    start_stock_worker(fleet, "stock", "theirs")
    wait_until(lambda: status("theirs") == "finished", START)
    assert status("child") == "deferred"
    run_until(lambda: status("child") == "finished", "ours", children=1)
