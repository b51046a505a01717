"""Redis that came back with less than it had: its log was cut off."""

from __future__ import annotations

import pytest

from tasks.broker import keys
from tasks.models import Attempt
from tasks.submission import submit
from tests.comparing import agree, bring_back, compare, ledger, older
from tests.engine import (
    claim,
    claim_all,
    client,
    end_leases,
    record_all,
    run_next,
    settle,
    take_back,
    waiting,
)
from tests.sample import add

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_that_the_cut_brought_back_does_not_run_twice() -> None:
    job_id = submit(add, [1]).id
    agree()
    before = older(keys.job(job_id), keys.queue("default"))
    run_next()
    record_all()
    bring_back(before)
    assert compare() == 1
    assert claim_all().jobs == []
    assert ledger(job_id).state == "finished"


def test_a_job_that_the_cut_made_run_again_does_not() -> None:
    job_id = submit(add, [1]).id
    job = claim()
    agree()
    before = older(keys.job(job_id), keys.lease("default"), keys.wip("default"))
    settle(job)
    record_all()
    bring_back(before)
    assert compare() == 1
    end_leases()
    assert (take_back(), waiting()) == ([], [])
    assert ledger(job_id).state == "finished"


def test_the_attempt_that_the_cut_undid_is_ended() -> None:
    job_id = submit(add, [1]).id
    agree()
    before = older(keys.job(job_id), keys.queue("default"))
    claim()
    record_all()
    bring_back({keys.lease("default"): b"", keys.wip("default"): b"", **before})
    assert compare() == 1
    assert ledger(job_id).state == "queued"
    assert Attempt.objects.get().state == "canceled"


def test_what_was_recorded_and_then_cut_off_runs() -> None:
    agree()
    job_id = submit(add, [1]).id
    record_all()
    bring_back({keys.job(job_id): b"", keys.queue("default"): b""})
    assert compare() == 1
    assert waiting() == [job_id]


def test_events_after_the_cut_count() -> None:
    """Redis forgot that the job began and waits for its retry; it runs from before."""
    job_id = submit(add, [1], retries=1).id
    agree()
    before = older(keys.job(job_id), keys.queue("default"))
    run_next("fail", retry_after=60)
    client().delete(keys.scheduled("default"))
    record_all()
    bring_back(before)
    compare()
    record_all()
    run_next()
    assert ledger(job_id).state == "finished"
