"""When a comparison judges what it saw, and what it leaves alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.broker import keys
from tasks.epoch import read_epoch, take_turn
from tasks.models import Epoch, Job
from tasks.submission import submit
from tests.comparing import agree, compare, ledger, restart, steps
from tests.engine import claim, client, events, record_all, run_next, status, waiting
from tests.sample import add

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_is_judged_before_the_recorder_has_caught_up() -> None:
    """The job ran, and Redis keeps it no longer; its end is not recorded yet."""
    job_id = submit(add, [1]).id
    record_all()
    run_next(facts={})
    told = events()
    client().delete(keys.job(job_id))
    comparison = steps()
    for _step in range(20):
        next(comparison)
    assert Job.objects.get().state == "queued"
    record_all(told)
    for _step in comparison:
        pass
    assert (events(), waiting()) == ([], [])


def test_a_job_that_moves_between_the_looks_is_left_alone() -> None:
    job_id = submit(add, [1]).id
    record_all()
    client().delete(keys.queue("default"))
    client().rpush("rq:queue:other", "keeps the recorder busy")
    client().xadd(keys.EVENTS, {"id": "x"}, id="1-0")  # nothing is recorded after 1970
    comparison = steps()
    for _step in range(20):
        next(comparison)
    client().rpush(keys.queue("default"), job_id)
    claim()
    client().xdel(keys.EVENTS, "1-0")
    record_all()
    for _step in comparison:
        pass
    assert (waiting(), status(job_id), events()) == ([], "started", [])


def test_a_job_that_is_being_pushed_is_left_to_its_submitter() -> None:
    Job.objects.create(id="new", task="tests.sample.add", queue="default")
    assert compare() == 0
    assert waiting() == []


def test_two_schedulers_that_compare_at_once_do_it_once() -> None:
    first, second = submit(add, [1]).id, submit(add, [2]).id
    agree()
    client().delete(keys.queue("default"), keys.job(second))
    client().sadd(keys.MISSING, second)
    one, other = steps(), steps()
    for _each in range(20):
        next(one, None)
        next(other, None)
    record_all()
    for comparison in (one, other):
        for _step in comparison:
            pass
    assert sorted(waiting()) == sorted([first, second])
    for job_id in (first, second):
        assert ledger(job_id).state == "queued"


def test_a_turn_that_a_wrong_clock_took_for_an_hour_does_not_last() -> None:
    agree()
    now = timezone.now()
    assert take_turn(now + timedelta(hours=1), hurries=True)
    assert take_turn(now, hurries=False)
    assert not take_turn(now, hurries=False)


def test_a_doubt_is_dated_by_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler that ends it may have another clock than the one that noted it."""
    agree()
    restart()
    wrong = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: wrong)
    read_epoch()
    told = Epoch.objects.get().doubted_at
    assert told is not None
    assert told < wrong - timedelta(minutes=50)
