"""What becomes of attempts whose end was lost with the data of Redis."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks import orphans
from tasks.models import Attempt
from tasks.submission import submit
from tests.comparing import agree, compare, restart
from tests.engine import claim, record_all, run_next
from tests.sample import add

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timezone.now() - timedelta(minutes=1)


def leave_open(job_id: str) -> None:
    """Let the ledger have heard of an earlier attempt's beginning only."""
    Attempt.objects.create(
        id=f"lost-{job_id}", job_key=job_id, worker="w0", started_at=LONG_AGO
    )


def states(job_id: str) -> list[tuple[str, str]]:
    record_all()
    rows = Attempt.objects.filter(job_key=job_id).order_by("started_at")
    return [(row.state, row.error) for row in rows]


@pytest.mark.parametrize("size", [1, 5_000])
def test_an_attempt_whose_end_was_lost_has_ended(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "PAGE", size)
    ended, runs = submit(add, [1]).id, submit(add, [2]).id
    run_next()
    assert claim().id == runs
    agree()
    for job_id in (ended, runs):
        leave_open(job_id)
    restart()
    compare()
    assert states(ended) == [("lost", "RedisLostData"), ("finished", "")]
    assert states(runs) == [("lost", "RedisLostData"), ("started", "")]


def test_nobody_looks_while_redis_keeps_its_data() -> None:
    job_id = submit(add, [1]).id
    run_next()
    agree()
    leave_open(job_id)
    compare()
    assert states(job_id)[0] == ("started", "")
