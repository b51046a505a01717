"""What stock RQ clients delete, and what waits for it."""

from __future__ import annotations

import pytest
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from tasks.broker import keys
from tasks.broker.scripts import invoke
from tasks.models import Attempt
from tasks.submission import submit
from tests.comparing import agree, compare, ledger
from tests.engine import claim, client, record_all, settle, status, waiting
from tests.sample import add

pytestmark = pytest.mark.django_db(transaction=True)


def deleted_by_an_rq_client(job_id: str) -> None:
    RqJob.fetch(job_id, connection=client(), serializer=JSONSerializer).delete()


def test_a_waiting_job_that_an_rq_client_deleted_is_canceled() -> None:
    job_id = submit(add, [1]).id
    agree()
    deleted_by_an_rq_client(job_id)
    assert compare() == 1
    row = ledger(job_id)
    assert (row.state, row.error) == ("canceled", "Removed")
    assert row.message == "It was removed from Redis by another client."
    assert waiting() == []


def test_a_running_job_that_an_rq_client_deleted_is_canceled_with_its_attempt() -> None:
    job_id = submit(add, [1]).id
    job = claim()
    agree()
    deleted_by_an_rq_client(job_id)
    zsets = (keys.lease("default"), keys.wip("default"))
    assert invoke(client(), "renew", zsets, (15, job.member)) == [job.member.encode()]
    assert settle(job, "handback") == "superseded"
    compare()
    assert ledger(job_id).state == "canceled"
    assert Attempt.objects.get().state == "canceled"


def test_a_child_of_a_deleted_parent_is_canceled_in_words() -> None:
    parent = submit(add, [1]).id
    child = submit(add, [1], depends_on=[parent]).id
    grandchild = submit(add, [1], depends_on=[child]).id
    agree()
    deleted_by_an_rq_client(parent)
    for _each in range(3):
        compare()
        record_all()
    row = ledger(child)
    assert (row.state, status(child)) == ("canceled", "canceled")
    assert row.message == (
        f"Its parent {parent} was removed from Redis by another client."
    )
    assert ledger(grandchild).state == "canceled"


def test_a_child_that_may_follow_a_failure_follows_a_deleted_parent() -> None:
    parent = submit(add, [1]).id
    child = submit(add, [1], depends_on=[parent], allow_failure=True).id
    agree()
    deleted_by_an_rq_client(parent)
    compare()
    record_all()
    compare()
    assert waiting() == [child]
