from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tasks.broker import keys
from tasks.broker import pauses as broker_pauses
from tasks.errors import (
    BrokerUnavailable,
    InvalidOption,
    PermissionMissing,
    QueueNotFound,
)
from tasks.models import Audit, Pause
from tasks.models.pause import PauseQuerySet
from tasks.pauses import current_pauses, pause_queue, reconcile, resume_queue
from tasks.policy import PERMISSIONS, Actor
from tasks.scheduler import Scheduler
from tests.engine import client, push_job
from tests.factories import create_job, create_pause

pytestmark = pytest.mark.django_db(transaction=True)

MARA = Actor("mara", "web", frozenset({PERMISSIONS["pause"]}))
HOUR = timedelta(hours=1)


def copy() -> dict[str, str]:
    """Return what claims read."""
    fields = client().hgetall(keys.PAUSES)
    return {field.decode(): ends.decode() for field, ends in fields.items()}


@contextmanager
def redis_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(*_facts: object) -> Any:
        raise BrokerUnavailable("refused")

    with monkeypatch.context() as patched:
        for name in ("read_pauses", "write_pauses", "knows_queue"):
            patched.setattr(broker_pauses, name, fail)
        yield


class TestPausing:
    def test_it_writes_the_row_the_audit_and_what_claims_read(self) -> None:
        decision = pause_queue(MARA, "default", reason=" deploy ", until=HOUR)
        pause = Pause.objects.get()
        assert decision.pause == pause
        assert decision.is_told
        assert (pause.scope, pause.target) == ("queue", "default")
        assert (pause.reason, pause.actor) == ("deploy", "mara")
        assert pause.until is not None
        assert copy() == {"queue:default": f"{pause.until.timestamp():.3f}"}
        entry = Audit.objects.get()
        assert (entry.verb, entry.target) == ("queue.pause", "default")
        assert (entry.actor, entry.reason) == ("mara", "deploy")
        assert entry.result == f"until {pause.until.isoformat()}"

    def test_without_an_end_the_field_is_empty(self) -> None:
        pause_queue(MARA, "default")
        assert copy() == {"queue:default": ""}

    def test_workers_and_pages_are_told(self) -> None:
        with client().pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(keys.CONTROL, keys.LIVE)
            channel.get_message(timeout=1)
            channel.get_message(timeout=1)
            pause_queue(MARA, "default")
            heard = [channel.get_message(timeout=2) for _each in range(2)]
        said = {m["channel"].decode(): json.loads(m["data"]) for m in heard if m}
        assert said[keys.CONTROL] == {"command": "look"}
        assert said[keys.LIVE]["kind"] == "job"

    def test_a_second_pause_changes_reason_and_end(self) -> None:
        first = pause_queue(MARA, "default", reason="deploy", until=HOUR).pause
        pause_queue(MARA, "default", reason="longer")
        assert first is not None
        pause = Pause.objects.get()
        assert (pause.pk, pause.created_at) == (first.pk, first.created_at)
        assert (pause.reason, pause.until) == ("longer", None)
        assert copy() == {"queue:default": ""}

    def test_a_pause_that_ended_by_itself_stays_history(self) -> None:
        old = create_pause(until=timezone.now() - HOUR, reason="old")
        pause_queue(MARA, "default", reason="new")
        old.refresh_from_db()
        assert (old.reason, old.resumed_at) == ("old", old.until)
        assert current_pauses()["default"].reason == "new"

    def test_it_needs_the_permission(self) -> None:
        with pytest.raises(PermissionMissing):
            pause_queue(Actor("vera", "web", frozenset()), "default")
        assert not Pause.objects.exists()

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("reason", "x" * 501),
            ("reason", "a\0b"),
            ("until", -HOUR),
            ("until", timedelta(days=36500)),
            ("until", timedelta.max),
            ("until", datetime(2999, 1, 1)),
        ],
    )
    def test_what_cannot_work_is_refused_by_name(
        self, option: str, value: object
    ) -> None:
        with pytest.raises(InvalidOption) as caught:
            pause_queue(MARA, "default", **{option: value})  # type: ignore[arg-type]
        assert caught.value.option == option

    def test_a_rollback_leaves_nothing(self) -> None:
        with transaction.atomic():
            assert not pause_queue(MARA, "default").is_told
            transaction.set_rollback(True)
        assert (copy(), Pause.objects.count(), Audit.objects.count()) == ({}, 0, 0)


class TestNames:
    """A pause of a queue that nobody knows would hold nothing back."""

    def test_a_typing_error_is_refused_with_the_near_name(self) -> None:
        with pytest.raises(QueueNotFound) as caught:
            pause_queue(MARA, "emials")  # a task of tests.sample names emails
        assert str(caught.value).endswith("Did you mean emails?")

    @pytest.mark.parametrize("name", ["", "a\0b", "x" * 201])
    def test_what_is_no_name_is_unknown(self, name: str) -> None:
        for act in (pause_queue, resume_queue):
            with pytest.raises(QueueNotFound):
                act(MARA, name)

    def test_redis_the_settings_tasks_and_the_ledger_know_queues(self) -> None:
        push_job(queue="pushed")
        client().sadd(keys.queue_workers("served"), keys.worker("w1"))
        create_job(queue="recorded")
        for name in ("pushed", "served", "recorded", "default", "emails"):
            pause_queue(MARA, name)
        assert len(current_pauses()) == 5

    def test_nobody_says_unknown_while_redis_cannot_be_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with redis_away(monkeypatch), pytest.raises(BrokerUnavailable):
            pause_queue(MARA, "perhaps")


class TestResuming:
    def test_it_closes_the_row_and_clears_what_claims_read(self) -> None:
        pause_queue(MARA, "default", until=HOUR)
        decision = resume_queue(MARA, "default")
        pause = Pause.objects.get()
        assert decision.is_told
        assert decision.pause == pause
        assert pause.resumed_by == "mara"
        assert copy() == {}
        assert Audit.objects.filter(verb="queue.resume", target="default").exists()

    def test_a_queue_that_is_not_paused_is_told_so(self) -> None:
        decision = resume_queue(MARA, "default")
        assert decision.pause is None
        assert decision.sentence == "Queue default was not paused."
        assert not Audit.objects.exists()

    def test_a_pause_that_is_over_cannot_be_resumed(self) -> None:
        create_pause(until=timezone.now() - HOUR)
        assert resume_queue(MARA, "default").pause is None

    def test_a_paused_queue_that_nobody_knows_any_more_can_be_resumed(self) -> None:
        create_pause("forgotten")
        assert resume_queue(MARA, "forgotten").pause is not None

    def test_it_needs_the_permission(self) -> None:
        create_pause()
        with pytest.raises(PermissionMissing):
            resume_queue(Actor("vera", "web", frozenset()), "default")
        assert current_pauses()


class TestRedisAway:
    """What is decided holds; workers hear of it by the scheduler's next look."""

    def test_a_pause_is_kept_and_said_to_be_unheard(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        with redis_away(monkeypatch):
            decision = pause_queue(MARA, "default")
        assert not decision.is_told
        assert "Redis does not answer now" in decision.sentence
        assert [record.action for record in caplog.records] == ["pause_untold"]  # type: ignore[attr-defined]
        assert copy() == {}
        Scheduler().step()
        assert copy() == {"queue:default": ""}

    def test_a_resume_is_kept_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pause_queue(MARA, "default")
        with redis_away(monkeypatch):
            assert not resume_queue(MARA, "default").is_told
        assert copy() == {"queue:default": ""}
        Scheduler().step()
        assert copy() == {}


class TestReconcile:
    def test_redis_that_lost_its_data_gets_the_pauses_again(self) -> None:
        pause_queue(MARA, "default")
        client().flushdb()
        reconcile()
        assert copy() == {"queue:default": ""}

    def test_what_has_no_row_is_removed(self) -> None:
        client().hset(keys.PAUSES, mapping={b"queue:default": b"", b"\xff": b"1"})
        reconcile()
        assert not client().exists(keys.PAUSES)

    def test_a_pause_that_is_over_is_closed_and_removed(self) -> None:
        over = create_pause(until=timezone.now() - HOUR)
        client().hset(keys.PAUSES, "queue:default", "1.000")
        reconcile()
        over.refresh_from_db()
        assert over.resumed_at == over.until
        assert copy() == {}

    def test_a_wrong_end_is_put_right(self) -> None:
        create_pause()
        client().hset(keys.PAUSES, "queue:default", "1.000")
        reconcile()
        assert copy() == {"queue:default": ""}

    def test_where_both_agree_nothing_is_written(
        self, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
    ) -> None:
        pause_queue(MARA, "default")
        written: list[object] = []
        monkeypatch.setattr(
            broker_pauses, "write_pauses", lambda *facts: written.append(facts)
        )
        with django_assert_num_queries(1):
            reconcile()
        assert written == []

    def test_a_pause_made_during_the_look_is_not_undone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Redis is read before the rows, so what it holds has its row by then."""
        reads: list[object] = []

        def pause_before_the_second(read: Callable[..., Any]) -> Callable[..., Any]:
            def look(*facts: Any) -> Any:
                reads.append(read)
                if len(reads) == 2:
                    pause_queue(MARA, "default")
                return read(*facts)

            return look

        for place, name in (
            (broker_pauses, "read_pauses"),
            (PauseQuerySet, "standing"),
        ):
            look = pause_before_the_second(getattr(place, name))
            monkeypatch.setattr(place, name, look)
        reconcile()
        assert len(reads) > 2
        assert copy() == {"queue:default": ""}
