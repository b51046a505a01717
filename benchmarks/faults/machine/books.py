"""What Redis and the ledger say, compared with the model."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from benchmarks.faults.machine.model import Model
from tasks.broker import keys
from tasks.broker.client import get_client
from tasks.broker.events import Event
from tasks.models import Attempt, Audit, Dependency, Job, Pause
from tasks.states import State, can_follow

QUEUE = "default"

#: A task that need not be registered: nothing runs here.
TASK = "faults.machine"

#: Events that are recorded a second time.
REPEATED = 5

#: Where jobs may be, and how Redis is asked who is there.
ZSETS = {
    "delayed": keys.DELAYED,
    "retries": keys.scheduled(QUEUE),
    "deferred": keys.deferred(QUEUE),
    "finished": keys.finished(QUEUE),
    "failed": keys.failed(QUEUE),
    "canceled": keys.canceled(QUEUE),
    "lease": keys.lease(QUEUE),
    "wip": keys.wip(QUEUE),
}


def empty_ledger() -> None:
    for model in (Attempt, Job, Dependency, Audit, Pause):
        rows = model.objects.all()
        rows._raw_delete(rows.db)


class Books:
    """Reads Redis after each step, and keeps the events that nobody has recorded yet."""

    def __init__(self) -> None:
        self._last_entry = b"-"
        self._unrecorded: list[Event] = []
        self._recorded: list[Event] = []
        #: Of each job, its last event's number and state.
        self._told: dict[str, tuple[int, State]] = {}
        #: How often each change of a job was seen.
        self.changes: Counter[str] = Counter()

    def waiting(self) -> list[str]:
        found: Any = get_client().lrange(keys.queue(QUEUE), 0, -1)
        return [job_id.decode() for job_id in found]

    def take(self, dice: random.Random, share: float) -> list[Event]:
        """Return unrecorded events in any order, with some that were recorded before."""
        dice.shuffle(self._unrecorded)
        count = round(share * len(self._unrecorded))
        taken = self._unrecorded[:count]
        del self._unrecorded[:count]
        again = dice.sample(self._recorded, min(REPEATED, len(self._recorded)))
        self._recorded += taken
        return [*again, *taken]

    def check_redis(self, model: Model) -> None:
        """Require that each job is in one place, the one that the model says."""
        places, hashes, entries = self._read(model)
        wip = places.pop("wip")
        if sorted(wip) != sorted(places["lease"]):
            raise AssertionError(f"leases {places['lease']}, but in wip {wip}")
        found = defaultdict(list)
        for place, members in places.items():
            for member in members:
                found[member.partition(":")[0]].append(place)
        for job in model.jobs.values():
            execution = job.holder.execution if job.holder else ""
            expected = ([job.place], job.status, execution, str(job.attempts))
            status, holder, attempts = hashes[job.id]
            seen = (found.pop(job.id, []), status, holder, attempts or "0")
            if seen != expected:
                raise AssertionError(f"{job.id} is {seen}, expected {expected}")
        if found:
            raise AssertionError(f"nobody knows {dict(found)}")
        self._hear(entries)

    def _read(
        self, model: Model
    ) -> tuple[dict[str, list[str]], dict[str, list[str]], list[Any]]:
        with get_client().pipeline(transaction=False) as pipeline:
            pipeline.lrange(keys.queue(QUEUE), 0, -1)
            for key in ZSETS.values():
                pipeline.zrange(key, 0, -1)
            for job in model.jobs:
                pipeline.hmget(keys.job(job), "status", "ty:exec", "ty:attempts")
            pipeline.xrange(keys.EVENTS, self._last_entry)
            answers = pipeline.execute()
        entries = answers.pop()
        texts = [[(value or b"").decode() for value in answer] for answer in answers]
        places = dict(zip(("queue", *ZSETS), texts, strict=False))
        hashes = dict(zip(model.jobs, texts[len(places) :], strict=True))
        return places, hashes, entries

    def _hear(self, entries: list[Any]) -> None:
        """Require that each job's story goes on as it may."""
        for entry, fields in entries:
            event = Event(entry, fields)
            self._unrecorded.append(event)
            self._last_entry = b"(" + entry
            seq, state = self._told.get(event.id, (0, State.CREATED))
            if event.seq != seq + 1:
                raise AssertionError(f"event {event.seq} of {event.id} after {seq}")
            new = state if event.kind == "superseded" else State(event.state)
            if new != state and not can_follow(state, new):
                raise AssertionError(f"{event.id}: {event.kind} made {state} {new}")
            self._told[event.id] = event.seq, new
            self.changes[f"{event.kind}: {state} to {new}"] += 1

    def check_ledger(self, model: Model) -> None:
        """Require that the ledger, with all recorded, says what Redis and the model say."""
        rows = {
            row[0]: row[1:]
            for row in Job.objects.values_list("id", "state", "attempt_count")
        }
        expected = {
            job.id: (job.state.value, job.attempts) for job in model.jobs.values()
        }
        _require_same("job", rows, expected)
        tries = dict(Attempt.objects.values_list("id", "state"))
        _require_same("attempt", tries, {e: s.value for e, s in model.ends.items()})


def _require_same(
    what: str, found: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    for name in found.keys() | expected.keys():
        if found.get(name) != expected.get(name):
            raise AssertionError(
                f"{what} {name} is {found.get(name)} in the ledger,"
                f" expected {expected.get(name)}"
            )
