"""Entries of rq-scheduler's set that a client took out, and a set that was lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rq_scheduler import Scheduler

from tasks.broker import keys, witness
from tasks.broker.periodic import count_periodic
from tasks.broker.snapshot import read_snapshot
from tasks.submission import submit
from tests.comparing import agree, compare, ledger, steps
from tests.engine import client, make_due, move, push_job, record_all, waiting
from tests.sample import add

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def test_a_set_that_was_deleted_is_put_back_and_then_obeys_again() -> None:
    job_id = submit(add, [1], delay=HOUR).id
    agree()
    client().delete(keys.DELAYED)
    assert compare() == 1
    record_all()
    assert Scheduler(connection=client()).count() == 1
    assert compare() == 0
    Scheduler(connection=client()).cancel(job_id)
    compare()
    assert ledger(job_id).state == "canceled"


def test_a_set_that_is_deleted_during_a_comparison_is_not_trusted() -> None:
    job_id = submit(add, [1], delay=HOUR).id
    record_all()
    comparison = steps()
    next(comparison)
    client().delete(keys.DELAYED)
    push_job("b", due_at=datetime.now(UTC) + HOUR)
    for _pause in comparison:
        record_all()
    record_all()
    compare()
    assert client().zscore(keys.DELAYED, job_id)


def test_the_witness_of_the_set_is_no_entry_of_it() -> None:
    made = submit(add, [1], delay=HOUR)
    agree()
    assert client().zscore(keys.DELAYED, keys.WITNESS) == witness.SURE
    make_due(made.id)
    move()
    move()
    assert waiting() == [made.id]
    assert client().zscore(keys.DELAYED, keys.WITNESS) == witness.SURE
    assert not list(Scheduler(connection=client()).get_jobs())
    assert (read_snapshot().delayed, count_periodic()) == (0, 0)


def test_a_key_that_is_no_set_keeps_no_other_job_from_its_place() -> None:
    job_id = submit(add, [1]).id
    agree()
    client().delete(keys.DELAYED, keys.queue("default"))
    client().set(keys.DELAYED, "text")
    assert compare() == 1
    assert waiting() == [job_id]
