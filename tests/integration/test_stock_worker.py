from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rq.job import Job
from rq.serializers import JSONSerializer

from tasks.submission import submit
from tests.engine import client
from tests.integration.conftest import Fleet
from tests.sample import add, greet

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def run_stock_worker(make_fleet: Callable[..., Fleet], *queues: str) -> None:
    """Run RQ's own worker, which knows no Django settings, until its queues are empty."""
    fleet = make_fleet(REDIS_URL=os.environ["REDIS_URL"], PYTHONPATH=".")
    assert "DJANGO_SETTINGS_MODULE" not in fleet.environment
    rq = ["-m", "rq.cli", "worker", "--burst", "--url", os.environ["REDIS_URL"]]
    serializer = ["--serializer", "rq.serializers.JSONSerializer"]
    fleet.run(*rq, *serializer, "--worker-class", "rq.SimpleWorker", *queues)


def result(job_id: str) -> object:
    job = Job.fetch(job_id, connection=client(), serializer=JSONSerializer)
    assert job.is_finished, job.latest_result()
    return job.return_value()


def test_a_stock_worker_runs_what_was_submitted(
    make_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    added = submit(add, {"a": "40"})
    greeted = submit(greet, ["Ann"], queue="default")
    checked = submit("checksums", {"path": str(tmp_path)})
    child = submit(add, [1], depends_on=[added])
    run_stock_worker(make_fleet, "default")
    assert result(added.id) == 42
    assert result(greeted.id) == "hello Ann"
    assert result(checked.id)
    assert result(child.id) == 3
