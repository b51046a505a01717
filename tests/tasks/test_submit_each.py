from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tasks.errors import (
    BrokerFull,
    InvalidArguments,
    InvalidOption,
    JobExists,
    PermissionMissing,
)
from tasks.models import Dependency, Job
from tasks.policy import Actor
from tasks.submission import hand_in, prepare, submit_each
from tests.engine import claim, client, settle, waiting
from tests.sample import add, greet

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_call_has_options_of_its_own() -> None:
    one, other = submit_each(
        [(add.s(1), {"queue": "fast", "id": "one"}), (greet.s("Ann"), {"timeout": 7})]
    )
    assert (waiting("fast"), waiting("emails")) == (["one"], [other.id])
    rows = Job.objects.in_bulk()
    assert (rows[one.id].kwargs, rows[one.id].timeout) == ({"a": 1}, 600)
    assert (rows[other.id].task, rows[other.id].timeout) == ("greet", 7)


def test_a_later_one_may_wait_for_an_earlier_one() -> None:
    submit_each([(add.s(1), {"id": "a"}), (add.s(2), {"depends_on": "a", "id": "b"})])
    assert Dependency.objects.get().parent == "a"
    assert waiting() == ["a"]
    settle(claim())
    assert waiting() == ["b"]


@pytest.mark.parametrize(
    ("call", "options", "error"),
    [
        (add.s("x"), {}, InvalidArguments),
        (add.s(1), {"timeout": 0}, InvalidOption),
        (add.s(1), {"depends_on": "nobody"}, InvalidOption),
        (add.s(1), {"idempotency_key": "k"}, InvalidOption),
        (add.s(1), {"id": "a"}, InvalidOption),
    ],
)
def test_all_or_none(call: Any, options: dict[str, Any], error: Any) -> None:
    with pytest.raises(error):
        submit_each([(add.s(1), {"id": "a"}), (call, options)])
    assert not Job.objects.exists()
    assert client().keys("rq:job:*") == []


def test_an_id_that_is_used_is_named() -> None:
    submit_each([(add.s(1), {"id": "used"})])
    with pytest.raises(JobExists) as caught:
        submit_each([(add.s(1), {"id": "a"}), (add.s(1), {"id": "used"})])
    assert caught.value.job_id == "used"
    assert Job.objects.count() == 1


def test_who_may_not_submit_submits_nothing() -> None:
    with pytest.raises(PermissionMissing):
        submit_each([(add.s(1), {})], actor=Actor("bob", "web", frozenset()))
    assert not Job.objects.exists()


def test_nothing_is_submitted_to_a_full_redis(full_redis: None) -> None:
    with pytest.raises(BrokerFull):
        submit_each([(add.s(1), {})])
    assert not Job.objects.exists()


def test_a_prepared_job_is_nothing_before_it_is_handed_in() -> None:
    submitted_at = timezone.now() - timedelta(minutes=1)
    job = prepare(add.s(1), now=submitted_at, id="a")
    assert (Job.objects.count(), waiting()) == (0, [])
    hand_in([job])
    assert Job.objects.get().created_at == submitted_at
    assert waiting() == ["a"]


def test_nothing_is_nothing() -> None:
    assert submit_each([]) == []
