from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import (
    DatabaseError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.test.utils import CaptureQueriesContext

from tasks import recording
from tasks.broker import events as broker_events
from tasks.broker import keys
from tasks.broker.events import Event, EventReader
from tasks.errors import BrokerUnavailable
from tasks.models import Job
from tasks.recording import Recorder
from tests.conftest import wait_until
from tests.engine import claim, client, events, push_job, run_next, settle

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the connection whose transaction the test runs in."""
    monkeypatch.setattr(recording.connections, "close_all", lambda: None)


def recorder(name: str = "r1") -> Recorder:
    """Return a recorder whose group of readers exists."""
    made = Recorder(EventReader(name))
    made.step(wait=0)
    return made


def test_events_are_recorded_and_then_dropped() -> None:
    working = recorder()
    push_job("a")
    run_next()
    assert working.step(wait=0) == 3
    assert Job.objects.get().state == "finished"
    assert events() == []
    assert client().xpending(keys.EVENTS, keys.EVENTS_GROUP)["pending"] == 0


def test_with_nothing_to_record_a_step_returns_nought() -> None:
    assert recorder().step(wait=0) == 0


def test_two_recorders_share_the_events() -> None:
    one, two = recorder("r1"), recorder("r2")
    push_job("a")
    assert one.step(wait=0) == 1
    push_job("b")
    assert two.step(wait=0) == 1
    assert Job.objects.count() == 2


def test_an_event_is_not_confirmed_before_the_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    working = recorder()
    push_job("a")
    good = recording.record
    monkeypatch.setattr(recording, "record", _locked)
    assert working.step(wait=0) is None
    assert len(events()) == 1
    monkeypatch.setattr(recording, "record", good)
    assert working.step(wait=0) == 1
    assert (Job.objects.count(), events()) == (1, [])


def _locked(_events: Sequence[Event]) -> None:
    raise OperationalError("database is locked")


def test_what_a_dead_recorder_read_is_read_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = recorder("r1")
    push_job("a")
    dead.reader.read()
    other = recorder("r2")
    assert other.step(wait=0) == 0
    monkeypatch.setattr(broker_events, "ABANDONED_AFTER", 0)
    wait_until(lambda: other.step(wait=0) == 1)
    assert Job.objects.count() == 1


def test_a_batch_that_came_twice_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    working = recorder()
    push_job("a")
    acknowledge = working.reader.acknowledge

    def refuse(_events: Sequence[Event]) -> None:
        raise BrokerUnavailable("gone")

    monkeypatch.setattr(working.reader, "acknowledge", refuse)
    assert working.step(wait=0) is None
    assert Job.objects.count() == 1
    monkeypatch.setattr(working.reader, "acknowledge", acknowledge)
    assert working.step(wait=0) == 1
    assert (Job.objects.count(), events()) == (1, [])


def test_one_broken_event_does_not_hold_up_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    working = recorder()
    push_job("a")
    entry: dict[Any, Any] = {"id": "bad", "state": "queued", "row": '{"x": 1}'}
    client().xadd(keys.EVENTS, entry)
    push_job("b")
    assert working.step(wait=0) == 3
    assert sorted(Job.objects.values_list("pk", flat=True)) == ["a", "b"]
    assert "of job bad cannot be recorded and is dropped" in caplog.text


@pytest.mark.parametrize(
    "entry",
    [
        {"x": "y"},
        {"id": "a", "seq": "1", "kind": "new", "state": "unheard-of"},
        {b"\xff": b"\xfe"},
    ],
)
def test_garbage_in_the_stream_is_survived(entry: dict[Any, Any]) -> None:
    working = recorder()
    client().xadd(keys.EVENTS, entry)
    push_job("good")
    working.step(wait=0)
    assert list(Job.objects.values_list("pk", flat=True)) == ["good"]
    assert events() == []


def test_numbers_that_are_none_are_survived() -> None:
    working = recorder()
    entry: dict[Any, Any] = {"id": "a", "seq": "many", "state": "queued", "at": "noon"}
    client().xadd(keys.EVENTS, entry)
    push_job("good")
    working.step(wait=0)
    assert Job.objects.filter(pk="good").exists()


def test_a_stream_that_redis_lost_is_made_anew() -> None:
    working = recorder()
    client().flushdb()
    push_job("a")
    wait_until(lambda: working.step(wait=0) == 1)
    assert Job.objects.count() == 1


def test_it_says_that_it_is_well_and_signs_off() -> None:
    working = recorder()
    assert [name.split(b":")[0] for name in client().hkeys(keys.LIVENESS)] == [
        b"recorder"
    ]
    push_job("a")
    working.stopping.set()
    working.run()
    assert client().hkeys(keys.LIVENESS) == []
    assert Job.objects.count() == 1


def test_the_ledger_may_lag_while_work_goes_on() -> None:
    working = recorder()
    push_job("a")
    working.step(wait=0)
    job = claim()
    assert Job.objects.get().state == "queued"
    settle(job)
    working.step(wait=0)
    assert Job.objects.get().state == "finished"


@pytest.mark.django_db(transaction=True)
def test_the_recorder_empties_sqlite_s_log() -> None:
    with CaptureQueriesContext(connection) as queries:
        recorder()
    asked = [query["sql"] for query in queries if "wal_checkpoint" in query["sql"]]
    assert len(asked) == (connection.vendor == "sqlite")


def test_a_long_queue_of_events_is_read_in_short_commands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broker_events, "AT_ONCE", 2)
    monkeypatch.setattr(broker_events, "BATCH", 4)
    working = recorder()
    for number in range(7):
        push_job(str(number))
    assert [working.step(wait=0) for _ in range(3)] == [4, 3, 0]
    assert (Job.objects.count(), events()) == (7, [])
    assert client().xpending(keys.EVENTS, keys.EVENTS_GROUP)["pending"] == 0


@pytest.mark.parametrize("kind", [InternalError, ProgrammingError, DatabaseError])
def test_a_ledger_that_takes_nothing_costs_no_event(kind: type[Exception]) -> None:
    """It is read-only after a failover, say, or is being restored and has no tables."""
    working = recorder()
    push_job("a")

    def refuse(*_asked: Any) -> None:
        raise kind("cannot execute INSERT in a read-only transaction")

    with connection.execute_wrapper(refuse):
        assert working.step(wait=0) is None
    assert len(events()) == 1
    assert working.step(wait=0) == 1
    assert Job.objects.get().state == "queued"
