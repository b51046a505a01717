"""Entries of rq-scheduler that come again and again: held, counted, and in nobody's way."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rq import Queue
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

from tasks.broker import keys
from tasks.broker.moves import AT_ONCE
from tasks.broker.periodic import count_periodic, forget_gone, without_periodic
from tasks.models import Job
from tests.comparing import compare
from tests.engine import client, make_due, move, push_job, record_all, waiting

ADD = "tests.sample.add"


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler("default", connection=client())


def hold(scheduler: Scheduler, job_id: str, score: float) -> None:
    """Have a periodic entry that came due at a moment."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    scheduler.schedule(soon, ADD, args=[1], interval=60, id=job_id)
    client().zadd(keys.DELAYED, {job_id: score})


def delay(job_id: str, score: float) -> None:
    push_job(job_id, due_at=datetime.now(UTC) + timedelta(hours=1))
    client().zadd(keys.DELAYED, {job_id: score})


def held() -> list[tuple[str, float]]:
    found: Any = client().zrangebyscore(keys.PERIODIC, 0, "+inf", withscores=True)
    return [(member.decode(), score) for member, score in found]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_interval_and_a_cron_string_are_held_where_they_are(
    scheduler: Scheduler,
) -> None:
    hold(scheduler, "often", 1)
    scheduler.cron("0 9 * * *", ADD, args=[1], id="daily")
    client().zadd(keys.DELAYED, {"daily": 2})
    assert move()[:3] == (0, None, 0)
    assert held() == [("often", 1), ("daily", 2)]
    assert [job.id for job in scheduler.get_jobs()] == ["often", "daily"]
    assert (waiting(), count_periodic()) == ([], 2)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickle_says_that_it_repeats(
    protocol: int, scheduler: Scheduler
) -> None:
    hold(scheduler, "p", 1)
    meta = pickle.dumps({"other": 1, "interval": 60}, protocol=protocol)
    client().hset(keys.job("p"), "meta", meta)
    assert move().taken == 0


@pytest.mark.parametrize(
    "meta",
    [
        pickle.dumps({"note": "interval training"}),
        b'{"note": "the interval"}',
        b'{"cron_strings": 1}',
    ],
)
def test_a_single_job_that_says_the_word_is_moved(
    meta: bytes, scheduler: Scheduler
) -> None:
    job = scheduler.enqueue_in(timedelta(hours=1), ADD, 1)
    client().hset(keys.job(job.id), "meta", meta)
    client().zadd(keys.DELAYED, {job.id: 1})
    assert move().taken == 1


def test_neither_our_jobs_nor_those_in_rq_s_sets_are_periodic() -> None:
    meta = b'{"interval": 60}'
    for job_id, task, key in (
        ("ours", ADD, keys.DELAYED),
        ("stock", "", keys.scheduled("default")),
    ):
        push_job(job_id, due_at=datetime.now(UTC) + timedelta(hours=1))
        client().zrem(keys.DELAYED, job_id)
        client().hset(keys.job(job_id), mapping={"meta": meta, "ty:task": task})
        make_due(job_id, key)
    move()
    assert sorted(waiting()) == ["ours", "stock"]


def test_very_many_of_them_do_not_hide_a_due_job(scheduler: Scheduler) -> None:
    for number in range(2 * AT_ONCE + 7):
        hold(scheduler, f"p{number:03}", number)
    delay("a", 1_000)
    assert [move().wait for _call in range(3)] == [0, 0, None]
    assert waiting() == ["a"]
    delay("b", 50.5)
    move()
    assert waiting() == ["a", "b"], "also among them"
    assert move()[:3] == (0, None, 0)


def test_what_a_client_removed_or_moved_is_noticed(scheduler: Scheduler) -> None:
    for number in range(20):
        hold(scheduler, f"p{number:02}", number)
    move()
    scheduler.cancel("p05")
    client().zadd(keys.DELAYED, {"p07": 30})
    delay("a", 12.5)
    while move().wait == 0:
        pass
    assert waiting() == ["a"]
    forget_gone()
    assert [job_id for job_id, _score in held()] == [
        *(f"p{n:02}" for n in range(20) if n not in (5, 7)),
        "p07",
    ]


def test_an_entry_that_is_one_no_more_moves_and_is_forgotten(
    scheduler: Scheduler,
) -> None:
    hold(scheduler, "a", 1)
    move()
    client().hdel(keys.job("a"), "meta")
    client().zadd(keys.DELAYED, {"a": 2})
    move()
    assert (waiting(), held()) == (["a"], [])


def test_those_that_are_gone_are_forgotten_and_the_others_kept(
    scheduler: Scheduler,
) -> None:
    for job_id in ("stays", "goes", "moved"):
        hold(scheduler, job_id, 1)
    move()
    scheduler.cancel("goes")
    client().zadd(keys.DELAYED, {"moved": 9e9})
    forget_gone()
    assert held() == [("stays", 1)]
    assert without_periodic(["stays", "goes", "new"]) == ["goes", "new"]
    assert without_periodic([]) == []


@pytest.mark.django_db(transaction=True)
def test_one_that_is_due_later_is_noted_by_the_comparison(scheduler: Scheduler) -> None:
    hold(scheduler, "later", 9e9)
    assert count_periodic() == 0
    compare()
    assert held() == [("later", 9e9)]


@pytest.mark.django_db(transaction=True)
def test_a_queued_job_with_such_a_meta_is_a_job_like_any_other() -> None:
    """Only rq-scheduler's set makes it an entry that comes again."""
    queue = Queue("default", connection=client(), serializer=JSONSerializer)
    queue.enqueue(ADD, 1, job_id="queued", meta={"interval": 60})
    soon = timedelta(hours=1)
    queue.enqueue_in(soon, ADD, 1, job_id="later", meta={"cron_string": "x"})
    compare()
    record_all()
    assert {job.id: job.state for job in Job.objects.all()} == {
        "queued": "queued",
        "later": "scheduled",
    }
