from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.concerns import (
    ClockWrong,
    Concern,
    DataLost,
    EvictionOn,
    JobsHeld,
    JobsQuarantined,
    LogOff,
    LogStuck,
    LongWait,
    LoopBlocked,
    MemoryShort,
    NeverStart,
    NoWorker,
    ProcessMissing,
    QueuePaused,
    QueueUnserved,
    RecorderBehind,
    ResultsSpooled,
    TaskFailing,
    TwoVersions,
    WorkerLost,
    WorkerQuiet,
    WorkersGone,
)
from tasks.conf import get_config
from tasks.models import Epoch
from tasks.states import State
from tasks.verdict import judge
from tasks.worker.spool import Spooled, folder_of, spooling
from tests.factories import create_job, create_pause, create_recovery, lose_job
from tests.snapshots import make_queue, make_redis, make_snapshot, make_worker

pytestmark = pytest.mark.django_db


def verdict(**facts: object) -> list[Concern]:
    return judge(make_snapshot(**facts), timezone.now())


def test_nothing_is_wrong_where_all_answer() -> None:
    assert verdict(queues=[make_queue(waiting=3, waits_for=5)]) == []


def test_a_worker_that_missed_three_beats_is_lost() -> None:
    silent = make_worker("w2", silent_for=20)
    (found,) = verdict(workers=[make_worker(), silent])
    assert isinstance(found, WorkerLost)
    assert found.loss.worker == "w2"
    assert found.silent_for is not None
    assert found.silent_for >= timedelta(seconds=20)


@pytest.mark.parametrize("state", [State.QUEUED, State.STARTED, State.FAILED])
def test_a_worker_that_was_lost_is_news_while_what_it_ran_needs_somebody(
    state: State,
) -> None:
    create_recovery("w2")
    for each in (state, State.FINISHED):
        lose_job(create_job(state=each))
    (found,) = verdict()
    assert isinstance(found, WorkerLost)
    assert found.loss.states == {state.value: 1, "finished": 1}


def test_workers_whose_jobs_need_nobody_any_more_are_counted_calmly() -> None:
    for name, state in (("w2", State.FINISHED), ("w3", State.STOPPED)):
        create_recovery(name)
        lose_job(create_job(state=state), name)
    create_recovery("w4")
    (found,) = verdict()
    assert found == WorkersGone(3)
    assert not found.is_bad


def test_what_is_set_aside_is_told_of_once() -> None:
    create_recovery("w2")
    lose_job(create_job(state=State.LOST))
    assert verdict() == [JobsHeld(1), WorkersGone(1)]


@pytest.mark.parametrize("fields", [{"minutes": 11}, {"returned": True}])
def test_an_old_loss_and_one_that_came_back_are_no_news(
    fields: dict[str, object],
) -> None:
    now = timezone.now()
    ago = timedelta(minutes=float(str(fields.get("minutes", 0))))
    returned_at = now if fields.get("returned") else None
    create_recovery(noticed_at=now - ago, returned_at=returned_at)
    assert verdict() == []


def test_jobs_that_only_a_person_brings_back_are_counted_by_kind() -> None:
    yesterday = timezone.now() - timedelta(days=1)
    end_jobs(State.LOST, 2, created_at=yesterday)
    end_jobs(State.QUARANTINED, 1, created_at=yesterday)
    assert verdict() == [JobsQuarantined(1), JobsHeld(2)]


def test_a_redis_that_lost_data_is_told_of_until_it_is_refilled() -> None:
    since = timezone.now()
    epoch = Epoch.objects.create(lost_at=since)
    assert verdict() == [DataLost(since)]
    Epoch.objects.filter(pk=epoch.pk).update(lost_at=None)
    assert verdict() == []


def test_results_that_wait_on_this_disk_are_told_of() -> None:
    folder = folder_of(get_config().taskyard_data)
    with spooling(folder, Spooled("w2", "vm-3", [])) as path:
        assert verdict() == [ResultsSpooled(1, folder)]
    path.unlink()
    assert verdict() == []


def test_a_quiet_worker_is_told_of_calmly() -> None:
    since = timezone.now() - timedelta(seconds=90)
    (found,) = verdict(workers=[make_worker(), make_worker("w2", quiet_since=since)])
    assert isinstance(found, WorkerQuiet)
    assert (found.worker.name, found.is_bad) == ("w2", False)
    assert found.quiet_for >= timedelta(seconds=90)


def test_redis_without_an_append_only_file() -> None:
    assert verdict(redis=make_redis(aof=False)) == [LogOff()]


def test_a_redis_that_cannot_write_its_log() -> None:
    assert verdict(redis=make_redis(is_log_stuck=True)) == [LogStuck()]


@pytest.mark.parametrize(
    ("ahead", "is_told"), [(-6.0, True), (7.0, True), (4.0, False)]
)
def test_a_host_whose_clock_is_far_off(ahead: float, is_told: bool) -> None:
    workers = [make_worker(name, clock_ahead=ahead) for name in ("w1", "w2")]
    apart = timedelta(seconds=abs(ahead))
    expected = [ClockWrong("vm-3", apart, is_ahead=ahead > 0)] if is_told else []
    assert verdict(workers=workers) == expected


def test_a_blocked_loop_is_a_concern_with_the_job_that_keeps_it() -> None:
    job = create_job(state=State.STARTED)
    since = timezone.now() - timedelta(seconds=8)
    blocked = make_worker("w2", blocked_since=since, blocked_job_id=job.id)
    lost = make_worker("w3", silent_for=60, blocked_since=since)
    found = verdict(workers=[make_worker(), blocked, lost])
    assert [type(concern) for concern in found] == [WorkerLost, LoopBlocked]
    assert isinstance(found[1], LoopBlocked)
    assert (found[1].worker.name, found[1].job) == ("w2", job)


def test_no_live_worker_at_all_is_one_concern() -> None:
    (found,) = verdict(workers=[], queues=[make_queue(waiting=7, waits_for=900)])
    assert found == NoWorker(7)


def test_a_queue_with_jobs_and_no_live_worker() -> None:
    found = verdict(
        queues=[make_queue("low", waiting=9, waits_for=30), make_queue("x")]
    )
    assert isinstance(found[0], QueueUnserved)
    assert found[0].queues == ("low",)
    assert found[0].waiting == 9


def test_a_queue_whose_workers_are_quiet_is_not_served() -> None:
    quiet = make_worker(quiet_since=timezone.now())
    found = verdict(
        workers=[quiet, make_worker("w2", queues=("low",))],
        queues=[make_queue(waiting=9, waits_for=400)],
    )
    assert [type(concern) for concern in found] == [QueueUnserved, WorkerQuiet]


def test_a_served_queue_whose_oldest_job_waited_over_five_minutes() -> None:
    (found,) = verdict(queues=[make_queue(waiting=2, waits_for=301)])
    assert isinstance(found, LongWait)
    assert found.wait >= timedelta(seconds=301)


def test_a_paused_queue_with_jobs_is_told_calmly_and_once() -> None:
    pause = create_pause("low")
    create_pause("empty")
    held = make_queue("low", waiting=9, waits_for=3600)
    (found,) = verdict(queues=[held, make_queue("empty")])
    assert found == QueuePaused(pause, 9)
    assert not found.is_bad


def test_a_pause_hides_no_other_queue() -> None:
    create_pause("low")
    queues = [make_queue(name, waiting=1, waits_for=400) for name in ("low", "default")]
    found = [type(concern) for concern in verdict(queues=queues)]
    assert found == [LongWait, QueuePaused]


def test_a_missing_scheduler_and_recorder() -> None:
    found = verdict(processes=[])
    assert found == [ProcessMissing("scheduler"), ProcessMissing("recorder")]


def test_a_recorder_that_lags() -> None:
    assert verdict(events_lag=10_001) == [RecorderBehind(10_001)]


def test_redis_so_full_that_it_refuses_jobs() -> None:
    assert verdict(redis=make_redis(used_bytes=80, max_bytes=100)) == [
        MemoryShort(80, 100)
    ]
    assert verdict(redis=make_redis(used_bytes=79, max_bytes=100)) == []


def test_redis_that_may_evict_jobs() -> None:
    assert verdict(redis=make_redis(policy="allkeys-lru")) == [
        EvictionOn("allkeys-lru")
    ]


def test_two_versions_among_live_workers() -> None:
    other = make_worker("w2", version="taskyard 0.2.0")
    assert verdict(workers=[make_worker(), other]) == [
        TwoVersions(("taskyard 0.1.0", "taskyard 0.2.0"))
    ]


def test_stock_workers_are_no_second_version() -> None:
    assert verdict(workers=[make_worker(), make_worker("w2", version="2.12.0")]) == []


def end_jobs(state: State, number: int, **fields: object) -> None:
    for _each in range(number):
        create_job(state=state, **fields)


def test_a_task_that_fails_often_with_its_usual_exception() -> None:
    end_jobs(State.FAILED, 2, error="KeyError")
    end_jobs(State.FAILED, 1, error="OSError")
    end_jobs(State.FINISHED, 4)
    assert verdict() == [TaskFailing("tests.sample.add", 3, 7, "KeyError")]


@pytest.mark.parametrize(("failures", "successes"), [(2, 0), (3, 13)])
def test_few_failures_are_no_concern(failures: int, successes: int) -> None:
    end_jobs(State.FAILED, failures)
    end_jobs(State.FINISHED, successes)
    assert verdict() == []


def test_what_an_operator_stopped_did_not_fail() -> None:
    end_jobs(State.STOPPED, 5)
    assert verdict() == []


def test_failures_of_yesterday_are_no_concern() -> None:
    end_jobs(State.FAILED, 5, created_at=timezone.now() - timedelta(days=1))
    assert verdict() == []


def test_jobs_that_can_never_start() -> None:
    failed = create_job(state=State.FAILED)
    create_job(state=State.DEFERRED, parents=[failed])
    create_job(state=State.DEFERRED, parents=[create_job(state=State.STARTED)])
    create_job(state=State.DEFERRED, parents=[failed], allow_failure=True)
    assert verdict() == [NeverStart(1)]


def test_the_worst_comes_first() -> None:
    failed = create_job(state=State.CANCELED)
    create_job(state=State.DEFERRED, parents=[failed])
    found = verdict(workers=[make_worker(), make_worker("w2", silent_for=60)])
    assert [type(concern) for concern in found] == [WorkerLost, NeverStart]


def test_without_redis_the_ledger_still_judges() -> None:
    end_jobs(State.FAILED, 3, error="KeyError")
    create_recovery()
    found = [type(concern) for concern in judge(None, timezone.now())]
    assert found == [TaskFailing, WorkersGone]
