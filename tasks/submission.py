"""Submitting jobs: the only door, for code, pages, REST, the shell and schedules.

The ledger row is written first and the push follows the commit, so what was accepted is
kept even when Redis is away; the scheduler pushes it later. Where there is no ledger (a
worker that was given only Redis, or a coroutine on a worker's loop, where Django's ORM
refuses to work), Redis accepts the job and the recorder writes its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.admission import require_room
from tasks.broker import jobs as broker_jobs
from tasks.broker import push as broker_push
from tasks.broker.wire import Envelope
from tasks.conf import can_use_ledger
from tasks.errors import InvalidOption
from tasks.handle import Handle as Handle
from tasks.options import Options
from tasks.outbox import push_after_commit
from tasks.policy import CODE, Actor
from tasks.registry import Call, Task, registry
from tasks.states import State
from tasks.text import gettext as _


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
    parents = _parent_states(envelopes[0].depends_on if envelopes else ())
    if not envelopes:
        return []
    if not can_use_ledger():
        return _submit_to_broker(envelopes, parents, key)
    return _submit_to_ledger(envelopes, parents, key)


def submit_each(
    calls: Iterable[tuple[Call, Mapping[str, Any]]], *, actor: Actor = CODE
) -> list[Handle]:
    """Submit calls, each with options of its own, in one transaction, all or none.

    Options and errors are those of `submit`; idempotency keys are refused. An earlier one
    may be what a later one depends on.
    """
    actor.require("submit")
    envelopes = [prepare(call, actor=actor, **options) for call, options in calls]
    require_room(envelopes)
    hand_in(envelopes)
    return [Handle(envelope.id) for envelope in envelopes]


def prepare(
    call: Call, *, actor: Actor = CODE, now: datetime | None = None, **options: Any
) -> Envelope:
    """Return a job to be handed in; nothing is written, and nobody is asked.

    `now` is when it counts as submitted. Raises InvalidArguments, InvalidOption and
    PayloadTooLarge.
    """
    checked = _options(options)
    if checked.idempotency_key is not None:
        raise InvalidOption("idempotency_key", _("can be given with one call only"))
    return _envelope(call, checked, _shared(call.task, checked, actor), now)


def hand_in(envelopes: Sequence[Envelope]) -> None:
    """Accept prepared jobs in one transaction, all or none; they are pushed after it.

    Raises InvalidOption for an unknown parent or an id that comes twice, and JobExists.
    """
    if not envelopes:
        return
    own = {envelope.id for envelope in envelopes}
    if len(own) < len(envelopes):
        raise InvalidOption("id", _("is given twice"))
    named = (parent for envelope in envelopes for parent in envelope.depends_on)
    parents = _parent_states([one for one in dict.fromkeys(named) if one not in own])
    if not can_use_ledger():
        broker_push.push(envelopes, parents, with_row=True)
        return
    # Deferred: the ledger needs Django, which a worker host may not have set up.
    from tasks.ledger import accept

    accept(envelopes)
    push_after_commit(envelopes, parents)


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


def _envelope(
    call: Call,
    options: Options,
    shared: Mapping[str, Any],
    now: datetime | None = None,
) -> Envelope:
    signature, now = call.task.signature, now or datetime.now(UTC)
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


def _parent_states(parents: Sequence[str]) -> dict[str, str]:
    """Return the ledger's (else the broker's) state of each parent.

    Raises InvalidOption for one that neither knows.
    """
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
    push_after_commit(envelopes, parents)
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
