"""What is to become of the due moments of one schedule, before anything is written.

A draft is made without a lock: rules may take their time, and earlier jobs are asked
about. It holds only as long as the row stands as it was read; see `writing.write`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.broker.wire import Envelope
from tasks.errors import InvalidOption
from tasks.models import Fire, Schedule
from tasks.models.fire import Verdict
from tasks.models.schedule import Kind, Overlap
from tasks.policy import Actor
from tasks.registry import Call, registry
from tasks.schedules import choices, misfire, plans
from tasks.schedules.days_off import Moment
from tasks.schedules.misfire import Decision, Policy
from tasks.schedules.moments import jitter_of, rule_of
from tasks.schedules.overlap import Line, line_of
from tasks.schedules.refusals import RULE, Refusal, make_fire, refusal_of
from tasks.schedules.rule import Rule
from tasks.submission import prepare

#: The door by which jobs of schedules come, and how much of a name fits behind it.
VIA = "schedule"
_LONGEST_NAME = 185

#: How late a moment may be acted upon for its job to start at once, where nobody looked
#: when it was due: another scheduler takes over within that time.
TAKEOVER = timedelta(seconds=5)

#: When a rule is tried again that cannot work on this machine.
TRY_RULE_AGAIN = timedelta(seconds=60)

#: Why one did not run: an earlier job, or a newer one of the same catching up.
OVERLAP, SUPERSEDED = "overlap", "superseded"

#: What of a row must still be so when a draft is written.
SEEN = ("version", "cursor", "next_due_at", "enabled")


@dataclass
class Draft:
    """Rows to be written, in the order of their moments, and the schedule after them."""

    schedule: Schedule
    seen: tuple[Any, ...]
    fires: list[Fire] = field(default_factory=list)
    jobs: list[Envelope] = field(default_factory=list)
    #: Ids of jobs that catch up, and are spread.
    late: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        return len(self.fires) + len(self.jobs)


def job_id_of(schedule_id: uuid.UUID, due_at: datetime) -> str:
    """Return the id of the job of a due moment; whoever makes it, there is one only."""
    return str(uuid.uuid5(schedule_id, due_at.astimezone(UTC).isoformat()))


def actor_of(schedule: Schedule) -> Actor:
    return Actor(schedule.name[:_LONGEST_NAME], VIA)


def policy_of(schedule: Schedule) -> Policy:
    age = schedule.misfire_age
    return Policy(
        schedule.misfire,
        schedule.misfire_most,
        None if age is None else timedelta(seconds=age),
        timedelta(seconds=schedule.grace),
    )


def make_draft(schedule: Schedule, now: datetime, looked_since: datetime) -> Draft:
    """Decide the moments of a schedule that passed; its row's columns move on with it.

    `looked_since` is since when this process has looked without a gap: what was due
    before catches up. Earlier jobs that the schedule wants ended are ended here; this is
    safe to repeat. Raises BrokerUnavailable where only Redis could do that.
    """
    draft = Draft(schedule, tuple(getattr(schedule, name) for name in SEEN))
    try:
        rule = rule_of(schedule)
        decisions = list(_allowed(schedule, _decisions(schedule, rule, now)))
        _Deciding(draft, now, looked_since).add(decisions)
        _move_on(draft, rule, decisions, now)
    except InvalidOption as error:
        _refuse_rule(draft, error, now)
    return draft


def _decisions(schedule: Schedule, rule: Rule, now: datetime) -> list[Decision]:
    now -= jitter_of(schedule)
    policy = policy_of(schedule)
    if schedule.kind == Kind.AFTER:
        return _decide_after(schedule, now, policy)
    return misfire.decide(rule, schedule.cursor, now, policy)


def _decide_after(schedule: Schedule, now: datetime, policy: Policy) -> list[Decision]:
    """Decide the one moment that there is of a schedule that counts from ends."""
    due_at = schedule.next_due_at
    if due_at is None or due_at > now:
        return []
    moment = Moment(due_at, due_at)
    if now - due_at <= policy.grace:
        return [Decision(moment, misfire.ON_TIME)]
    if policy.misfire == choices.SKIP:
        return [Decision(moment, misfire.MISSED, misfire.POLICY)]
    if policy.age is not None and now - due_at > policy.age:
        return [Decision(moment, misfire.MISSED, misfire.TOO_OLD)]
    return [Decision(moment, misfire.LATE)]


def _allowed(schedule: Schedule, decisions: Sequence[Decision]) -> Iterator[Decision]:
    """Yield them until it has run as often as it may; what comes after never was due."""
    most, runs = schedule.most_fires, schedule.fired
    for decision in decisions:
        if _runs(decision):
            runs += 1
        if most is not None and runs > most:
            return
        yield decision


def _runs(decision: Decision) -> bool:
    return decision.verdict in (misfire.ON_TIME, misfire.LATE)


def _move_on(
    draft: Draft, rule: Rule, decisions: Sequence[Decision], now: datetime
) -> None:
    schedule = draft.schedule
    schedule.fired += len(draft.jobs)
    if decisions:
        schedule.cursor = decisions[-1].moment.due_at
    if schedule.kind != Kind.AFTER:
        plans.plan_after_cursor(schedule, rule)
    elif draft.jobs:
        plans.await_end(schedule, draft.jobs[-1].id)
    elif decisions:
        plans.plan_after_end(schedule, rule, now)
    elif schedule.next_due_at is None:  # its rule works again
        plans.plan_after_last_job(schedule, rule, now)


def _refuse_rule(draft: Draft, error: InvalidOption, now: datetime) -> None:
    """Note that the promised moment has no rule any more, and look again in a while."""
    schedule, due_at = draft.schedule, draft.schedule.next_due_at
    draft.fires.clear()
    draft.jobs.clear()
    if due_at is not None and due_at + jitter_of(schedule) <= now:
        refusal = Refusal(RULE, str(error), {"option": error.option})
        draft.fires.append(refusal.fire(schedule, Moment(due_at, due_at), now))
        schedule.cursor = max(schedule.cursor, due_at)
    plans.plan_a_look(schedule, now + TRY_RULE_AGAIN)


@dataclass
class _Deciding:
    """Fills a draft with what becomes of its moments."""

    draft: Draft
    now: datetime
    looked_since: datetime
    _line: Line = field(default_factory=lambda: Line(Overlap.ALLOW))

    def add(self, decisions: Sequence[Decision]) -> None:
        running = [decision for decision in decisions if _runs(decision)]
        template = self._template(running[-1].moment) if running else None
        for decision in decisions:
            if not _runs(decision):
                self.draft.fires.append(self._without_job(decision))
            elif isinstance(template, Refusal):
                fire = template.fire(self.draft.schedule, decision.moment, self.now)
                self.draft.fires.append(fire)
            elif template is not None:
                self.draft.fires.append(self._run(decision, template))

    def _template(self, newest: Moment) -> Envelope | Refusal:
        """Return the job of the newest moment, which the others are like."""
        schedule = self.draft.schedule
        try:
            call = Call(registry.get(schedule.task), schedule.args, schedule.kwargs)
            job = prepare(
                call,
                actor=actor_of(schedule),
                now=self.now,
                id=job_id_of(schedule.id, newest.due_at),
                queue=schedule.queue or None,
                timeout=schedule.timeout,
                retries=schedule.retries,
                tags=schedule.tags,
                at_front=schedule.at_front,
            )
        except Exception as error:  # a task's own types may raise anything
            return refusal_of(error)
        self._line = line_of(schedule)
        self._line.clear(actor_of(schedule))
        return job

    def _run(self, decision: Decision, template: Envelope) -> Fire:
        moment = decision.moment
        job_id = job_id_of(self.draft.schedule.id, moment.due_at)
        if self._line.takes_newest_only and job_id != template.id:
            return self._skip(decision, SUPERSEDED, template.id)
        place = self._line.place(job_id)
        if place.blocked_by:
            return self._skip(decision, OVERLAP, place.blocked_by)
        self.draft.jobs.append(
            replace(
                template,
                id=job_id,
                depends_on=place.depends_on,
                allow_failure=bool(place.depends_on),
            )
        )
        if self._catches_up(decision):
            self.draft.late.add(job_id)
        is_late = decision.verdict == misfire.LATE
        return self._fire(
            decision, Verdict.LATE if is_late else Verdict.RAN, job_key=job_id
        )

    def _catches_up(self, decision: Decision) -> bool:
        acted_at = decision.moment.due_at + jitter_of(self.draft.schedule)
        is_old = acted_at < min(self.now - TAKEOVER, self.looked_since)
        return decision.verdict == misfire.LATE or is_old

    def _skip(self, decision: Decision, reason: str, blocked_by: str) -> Fire:
        return self._fire(
            decision, Verdict.SKIPPED, reason=reason, blocked_by=blocked_by
        )

    def _without_job(self, decision: Decision) -> Fire:
        is_missed = decision.verdict == misfire.MISSED
        moved_to = decision.moment.moved_to
        return self._fire(
            decision,
            Verdict.MISSED if is_missed else Verdict.EXCLUDED,
            reason=decision.reason,
            count=decision.count,
            facts={"moved_to": moved_to.isoformat()} if moved_to else {},
        )

    def _fire(self, decision: Decision, verdict: Verdict, **fields: Any) -> Fire:
        return make_fire(
            self.draft.schedule, decision.moment, self.now, verdict, **fields
        )
