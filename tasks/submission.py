"""Submitting jobs: the only door, for code, pages, REST, the shell and schedules.

The ledger row is written first and the push follows the commit, so what was accepted is
kept even when Redis is away; the scheduler pushes it later. Where there is no ledger (a
worker that was given only Redis, or a coroutine on a worker's loop, where Django's ORM
refuses to work), Redis accepts the job and the recorder writes its row.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tasks.admission import require_room
from tasks.broker import jobs as broker_jobs
from tasks.broker import push as broker_push
from tasks.broker.wire import Envelope
from tasks.conf import can_use_ledger
from tasks.errors import BrokerUnavailable, InvalidOption
from tasks.handle import Handle as Handle
from tasks.options import Options
from tasks.policy import CODE, Actor
from tasks.registry import Call, Task, registry
from tasks.states import State
from tasks.text import gettext as _

logger = logging.getLogger(__name__)

#: Seconds between two warnings that jobs are pushed later.
WARN_EVERY = 10.0


def submit(
    task: str | Task | Any,
    args: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    actor: Actor = CODE,
    **options: Any,
) -> Handle:
    """Submit one call of a task; `args` are by name (a mapping) or by position.

    Options: id, queue, delay (seconds or timedelta) or at (aware datetime), depends_on
    (ids or handles) with allow_failure, at_front, retries with backoff (seconds),
    timeout (seconds, -1 for none), tags, idempotency_key, description.

    Raises TaskNotRegistered, InvalidArguments, InvalidOption, PayloadTooLarge, JobExists,
    IdempotencyConflict, BrokerFull and PermissionMissing; then nothing was submitted.
    """
    return submit_call(_make_call(task, args), actor=actor, **options)


def submit_call(call: Call, *, actor: Actor = CODE, **options: Any) -> Handle:
    """Submit one `Call`; options and errors are those of `submit`."""
    return submit_many([call], actor=actor, **options)[0]


def submit_many(
    calls: Iterable[Call], *, actor: Actor = CODE, **options: Any
) -> list[Handle]:
    """Submit many calls in one transaction and few round trips, all or none.

    The options are those of `submit` and hold for each of them; an id or an idempotency
    key can only be given with one call.
    """
    actor.require("submit")
    checked = _options(options)
    key = checked.checked_key()
    envelopes = _prepare(calls, checked, actor)
    _refuse_shared_names(envelopes, checked)
    parents = _parent_states(checked, envelopes)
    if not envelopes:
        return []
    if not can_use_ledger():
        return _submit_to_broker(envelopes, parents, key)
    return _submit_to_ledger(envelopes, parents, key)


def _make_call(task: Any, args: object) -> Call:
    if isinstance(task, str):
        found = registry.get(task)
    else:
        found = task if isinstance(task, Task) else task.task
    if isinstance(args, Mapping):
        return Call(found, (), args)
    if args is None or (isinstance(args, Sequence) and not isinstance(args, str)):
        return Call(found, args or ())
    raise InvalidOption("args", _("must be a mapping of names, or a list"))


def _options(options: Mapping[str, Any]) -> Options:
    unknown = options.keys() - Options.__dataclass_fields__.keys()
    if unknown:
        raise InvalidOption(min(unknown), _("is not an option of a submission"))
    return Options(**options)


def _prepare(calls: Iterable[Call], options: Options, actor: Actor) -> list[Envelope]:
    shared: dict[Task, dict[str, Any]] = {}
    envelopes = []
    for call in calls:
        if call.task not in shared:
            shared[call.task] = _shared(call.task, options, actor)
        envelopes.append(_envelope(call, options, shared[call.task]))
    return envelopes


def _shared(task: Task, options: Options, actor: Actor) -> dict[str, Any]:
    """Return what the jobs of one task have in common when submitted together."""
    return {
        "task": task.name,
        "path": task.path,
        "queue": options.checked_queue(task),
        "kind": "async" if task.is_async else "sync",
        "description": options.checked_description(),
        "tags": options.checked_tags(task),
        "timeout": options.checked_timeout(task),
        "retries": options.checked_retries(task),
        "backoff": options.checked_backoff(task),
        "on_worker_lost": task.on_worker_lost,
        "at_front": bool(options.at_front),
        "allow_failure": bool(options.allow_failure),
        "depends_on": options.parents(),
        "submitted_by": CODE.via if actor is CODE else f"{actor.via} · {actor.name}",
    }


def _envelope(call: Call, options: Options, shared: Mapping[str, Any]) -> Envelope:
    signature, now = call.task.signature, datetime.now(UTC)
    args, kwargs = signature.split(
        signature.to_json(signature.bind(call.args, call.kwargs))
    )
    envelope = Envelope(
        id=options.checked_id(),
        args=args,
        kwargs=kwargs,
        created_at=now,
        due_at=options.due_at(now),
        **shared,
    )
    envelope.check_size()
    return envelope


def _refuse_shared_names(envelopes: Sequence[Envelope], options: Options) -> None:
    if len(envelopes) > 1:
        for name in ("id", "idempotency_key"):
            if getattr(options, name) is not None:
                raise InvalidOption(name, _("can be given with one call only"))


def _parent_states(options: Options, envelopes: Sequence[Envelope]) -> dict[str, str]:
    """Return the ledger's (else the broker's) state of each parent.

    Raises InvalidOption for one that neither knows.
    """
    parents = list(envelopes[0].depends_on) if envelopes else []
    if not parents:
        return {}
    states: dict[str, str] = {}
    if can_use_ledger():
        from tasks.ledger import states_of

        states = states_of(parents)
    missing = [parent for parent in parents if parent not in states]
    if missing:
        states |= broker_jobs.known_states(missing)
    for parent in parents:
        if parent not in states:
            raise InvalidOption(
                "depends_on", _("there is no job %(id)s") % {"id": parent}
            )
    failed = (State.LOST, State.QUARANTINED)
    return {p: State.FAILED if s in failed else s for p, s in states.items()}


def _submit_to_ledger(
    envelopes: list[Envelope], parents: Mapping[str, str], key: str | None
) -> list[Handle]:
    # Deferred: the ledger needs Django, which a worker host may not have set up.
    from tasks.ledger import accept, find_earlier

    # A repeat is answered even when there is no room: it brings nothing new.
    earlier = find_earlier(envelopes[0], key) if key else None
    if not earlier:
        require_room(envelopes)
        earlier = accept(envelopes, key)
    if earlier:
        return [Handle(earlier, created=False)]
    _push_after_commit(envelopes, parents)
    return [Handle(envelope.id) for envelope in envelopes]


def _submit_to_broker(
    envelopes: Sequence[Envelope], parents: Mapping[str, str], key: str | None
) -> list[Handle]:
    if key is not None:
        raise InvalidOption(
            "idempotency_key",
            _("needs the ledger: submit from a process that has DATABASE_URL"),
        )
    require_room(envelopes)
    broker_push.push(envelopes, parents, with_row=True)
    return [Handle(envelope.id) for envelope in envelopes]


@dataclass
class Deferred:
    """Warns of jobs that are pushed later, at once and then every ten seconds."""

    ticks: Callable[[], float] = time.monotonic
    _count: int = 0
    _warned_at: float = float("-inf")

    def add(self, count: int, error: BrokerUnavailable) -> None:
        self._count += count
        now = self.ticks()
        if now - self._warned_at < WARN_EVERY:
            return
        text = "%s jobs are accepted and will be pushed when Redis answers: %s"
        logger.warning(text, self._count, error, extra={"action": "push_deferred"})
        self._count, self._warned_at = 0, now


_deferred = Deferred()


def _push_after_commit(envelopes: list[Envelope], parents: Mapping[str, str]) -> None:
    from django.db import transaction

    transaction.on_commit(partial(_push, envelopes, parents))


def _push(envelopes: list[Envelope], parents: Mapping[str, str]) -> None:
    try:
        broker_push.push(envelopes, parents)
    except BrokerUnavailable as error:
        _deferred.add(len(envelopes), error)
