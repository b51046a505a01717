from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import loss_reports
from tasks.broker.snapshot import Snapshot
from tasks.loss_reports import KEPT_FOR, Fate, LostWorker, read_lost_workers
from tasks.states import State
from tests.factories import create_job, create_recovery, lose_job
from tests.snapshots import make_snapshot, make_worker

pytestmark = pytest.mark.django_db


def read(snapshot: Snapshot | None = None) -> list[LostWorker]:
    return read_lost_workers(snapshot, timezone.now() - KEPT_FOR)


def test_a_lost_worker_tells_how_it_was_noticed_and_after_how_long() -> None:
    row = create_recovery(noticed_by="supervisor")
    (lost,) = read()
    assert (lost.worker, lost.host, lost.pid) == ("w2", "vm-4", 77)
    assert (lost.running, lost.slots) == (2, 4)
    assert lost.noticed_by == "supervisor"
    assert lost.last_seen_at == row.last_seen_at
    assert lost.noticed_after == timedelta(seconds=16)


def test_without_a_last_beat_nobody_knows_how_long_it_took() -> None:
    create_recovery(last_seen_at=None)
    assert read()[0].noticed_after is None


def test_they_stay_for_a_day_the_last_first() -> None:
    now = timezone.now()
    create_recovery("early", noticed_at=now - timedelta(hours=23))
    create_recovery("late", noticed_at=now - timedelta(hours=1))
    create_recovery("gone", noticed_at=now - timedelta(hours=25))
    assert [lost.worker for lost in read()] == ["late", "early"]


def test_what_became_of_each_job_is_told_the_urgent_first() -> None:
    create_recovery()
    finished = create_job(state=State.FINISHED, worker="w3")
    held = create_job(state=State.LOST, worker="w2")
    queued = create_job(state=State.QUEUED, worker="w2", kwargs={"a": 7})
    for job in (finished, held, queued):
        lose_job(job)
    lose_job(create_job(state=State.FAILED), worker="another")
    (lost,) = read()
    assert [fate.job_id for fate in lost.fates] == [held.id, queued.id, finished.id]
    assert lost.fates[1] == Fate(queued.id, queued.task, "queued", "(a=7)", "w2")
    assert lost.fates[2].worker == "w3"
    assert lost.states == {"lost": 1, "queued": 1, "finished": 1}
    assert (lost.held, lost.more) == (3, 0)


def test_a_job_that_is_no_longer_kept_is_still_named() -> None:
    create_recovery()
    job = create_job()
    lose_job(job)
    job.delete()
    (lost,) = read()
    assert lost.states == {"": 1}
    assert lost.fates[0].state == ""


def test_of_many_jobs_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_reports, "COUNTED", 4)
    monkeypatch.setattr(loss_reports, "SHOWN", 2)
    create_recovery()
    for _each in range(6):
        lose_job(create_job())
    (lost,) = read()
    assert (len(lost.fates), lost.held, lost.more) == (2, 6, 4)
    assert lost.states == {"queued": 4}


def test_attempts_that_ended_otherwise_are_not_its_victims() -> None:
    create_recovery()
    lose_job(create_job(), state=State.FAILED)
    assert read()[0].held == 0


def test_a_silent_worker_that_nobody_took_over_comes_first() -> None:
    create_recovery("w2")
    silent = make_worker("w9", silent_for=60, running=3)
    snapshot = make_snapshot(
        workers=[make_worker(), silent, make_worker("w2", silent_for=99)]
    )
    first, second = read(snapshot)
    assert (first.worker, first.noticed_at, first.running) == ("w9", None, 3)
    assert (second.worker, second.noticed_by) == ("w2", "lease")


def test_one_that_came_back_says_so() -> None:
    returned_at = timezone.now()
    create_recovery(returned_at=returned_at)
    assert read()[0].returned_at == returned_at


def test_nobody_is_lost() -> None:
    assert read(make_snapshot()) == []


def test_twice_the_workers_need_no_more_queries() -> None:
    counts = []
    for number in (2, 4):
        for n in range(number):
            create_recovery(f"w{number}-{n}")
            lose_job(create_job(), worker=f"w{number}-{n}")
        with CaptureQueriesContext(connection) as queries:
            assert len(read()) >= number
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_jobs_of_a_lost_worker_are_found_by_their_own_index() -> None:
    """A ledger has millions of attempts, and pages look each second."""
    create_recovery()
    lose_job(create_job())
    with CaptureQueriesContext(connection) as queries:
        read()
    (asked,) = [q["sql"] for q in queries if '"tasks_attempt"' in q["sql"]]
    if connection.vendor != "sqlite":
        pytest.skip("the planner of PostgreSQL scans a table of one row")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {asked}")
        assert "attempt_lost" in str(cursor.fetchall())
