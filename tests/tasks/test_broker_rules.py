from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from tasks.broker.breakers import OpenBreaker
from tasks.broker_rules import open_breakers
from tests.snapshots import make_snapshot, make_worker


def test_open_breakers_are_one_concern_for_each_task() -> None:
    now = timezone.now()

    def opened(task: str, minutes: int, seconds: int) -> OpenBreaker:
        since, every = now - timedelta(minutes=minutes), timedelta(seconds=seconds)
        return OpenBreaker(task, since, failures=20 + minutes, held=100, every=every)

    first = make_worker("w1", breakers=(opened("a", 2, 8), opened("b", 1, 2)))
    second = make_worker("w2", breakers=(opened("a", 3, 16),))
    gone = make_worker("w3", silent_for=1e6, breakers=(opened("c", 9, 60),))
    snapshot = make_snapshot(workers=[first, second, gone])
    found = list(open_breakers(snapshot))
    assert [(one.task, one.workers) for one in found] == [
        ("a", ("w1", "w2")),
        ("b", ("w1",)),
    ]
    assert (found[0].failures, found[0].held) == (23, 200)
    assert found[0].every == timedelta(seconds=16)
    assert found[0].open_for >= timedelta(minutes=3)
