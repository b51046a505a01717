"""Backfills: moments of a schedule's past that are run after all, a few at a time.

What bounds a backfill is how many of its jobs may be unended at once; the overlap and
misfire rules of its schedule are for the moments to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from tasks.errors import InvalidOption
from tasks.models import Audit, Backfill, Schedule
from tasks.models.backfill import BackfillState, Reprocess
from tasks.models.schedule import Kind
from tasks.policy import Actor
from tasks.schedules.checks import problem_of
from tasks.schedules.clock import clock
from tasks.schedules.days_off import Moment
from tasks.schedules.errors import BackfillNotFound, BackfillOver
from tasks.schedules.past import Past
from tasks.schedules.rule_checks import checked_choice, checked_moment
from tasks.text import gettext as _

#: Moments of a range, whether they are wanted or not: what a dry run may look at.
MOST_MOMENTS = 10_000

#: Moments that a dry run lists; it counts all.
MOST_LISTED = 200

#: Jobs of a backfill that may be unended at once.
MOST_AT_ONCE = 1_000

#: States in which a backfill may still submit jobs.
OPEN = (BackfillState.RUNNING, BackfillState.PAUSED)


@dataclass(frozen=True)
class DryRun:
    """What a backfill of a range would do."""

    #: The first moments that it would run, in its order.
    moments: tuple[Moment, ...]
    #: All that it would run, and those of the range that it would not: they ran.
    total: int
    left_out: int


def dry_run(
    schedule: Schedule,
    first_at: datetime,
    last_at: datetime,
    *,
    reprocess: str = Reprocess.NONE,
    newest_first: bool = False,
) -> DryRun:
    """Return what a backfill from `first_at` to before `last_at` would run; the first
    200 moments of it are listed.

    Raises InvalidOption, named for a field of Backfill, for a range that cannot work.
    """
    return _look(_checked(schedule, first_at, last_at, reprocess, newest_first))


def create(
    actor: Actor,
    schedule: Schedule,
    first_at: datetime,
    last_at: datetime,
    *,
    reprocess: str = Reprocess.NONE,
    newest_first: bool = False,
    at_once: int = 1,
) -> Backfill:
    """Have the scheduler run what `dry_run` lists, `at_once` jobs at a time.

    Raises PermissionMissing; InvalidOption also where nothing would run, and where
    another backfill of the schedule goes on in the range.
    """
    actor.require("schedule.manage")
    past = _checked(schedule, first_at, last_at, reprocess, newest_first)
    _check_at_once(at_once)
    with transaction.atomic():
        # Two that are made at the same time must not have moments in common.
        Schedule.objects.select_for_update().get(pk=schedule.pk)
        _refuse_shared_moments(past)
        total = _look(past).total
        if not total:
            raise InvalidOption("", _("no moment of the range is left to run"))
        backfill = Backfill.objects.create(
            schedule=schedule,
            first_at=first_at,
            last_at=last_at,
            reprocess=reprocess,
            newest_first=newest_first,
            at_once=at_once,
            total=total,
            created_by=actor.name,
        )
        _audit(actor, "create", backfill, f"{backfill} · {total:,}")
    return backfill


def pause(actor: Actor, number: int) -> Backfill:
    """Submit no more of a backfill until it goes on; the jobs it has go on.

    Raises PermissionMissing, BackfillNotFound and BackfillOver.
    """
    return _turn(actor, "pause", number, BackfillState.PAUSED)


def go_on(actor: Actor, number: int) -> Backfill:
    """Submit further moments of a backfill that was paused; raises what `pause` does."""
    return _turn(actor, "go_on", number, BackfillState.RUNNING)


def abort(actor: Actor, number: int) -> Backfill:
    """Submit no more of a backfill, ever; of the jobs it has, a scheduler cancels those
    that wait, and those that run go on.

    Raises what `pause` does.
    """
    return _turn(actor, "abort", number, BackfillState.ABORTED)


def _turn(actor: Actor, verb: str, number: int, state: BackfillState) -> Backfill:
    """Bring a backfill that is not over into a state; one that is in it stays so."""
    actor.require("schedule.manage")
    with transaction.atomic():
        found = Backfill.objects.select_for_update(of=("self",))
        backfill = found.select_related("schedule").filter(pk=number).first()
        if backfill is None:
            raise BackfillNotFound(number)
        if backfill.state == state:
            return backfill
        if backfill.state not in OPEN:
            raise BackfillOver(number, backfill.get_state_display())
        backfill.state = state
        backfill.ended_at = None if state in OPEN else clock.now()
        backfill.save(update_fields=["state", "ended_at"])
        _audit(actor, verb, backfill)
    return backfill


def _audit(actor: Actor, verb: str, backfill: Backfill, result: str = "") -> None:
    Audit.objects.create(
        actor=actor.name,
        via=actor.via,
        verb=f"backfill.{verb}",
        target=backfill.schedule.name,
        reason=f"{backfill.pk}",
        result=result,
    )


def _look(past: Past) -> DryRun:
    found: list[Moment] = []
    total = seen = 0
    for moments in past.portions():
        wanted = past.wanted(moments)
        seen += len(moments)
        total += len(wanted)
        found += wanted[: MOST_LISTED - len(found)]
    return DryRun(tuple(found), total, seen - total)


# What may be filled in.


def _checked(
    schedule: Schedule,
    first_at: datetime,
    last_at: datetime,
    reprocess: str,
    newest_first: bool,  # noqa: FBT001 - as it was given
) -> Past:
    checked_choice("reprocess", reprocess, tuple(Reprocess.values))
    if schedule.kind in (Kind.AFTER, Kind.ONCE):
        problem = _("only cron expressions and intervals have moments to fill in")
        raise InvalidOption("schedule", problem)
    now = clock.now()
    if problem := problem_of(schedule, now):
        raise InvalidOption("schedule", problem)
    checked_moment("first_at", first_at)
    checked_moment("last_at", last_at)
    if last_at <= first_at:
        raise InvalidOption("last_at", _("must lie after the beginning"))
    if last_at > now:
        problem = _("must not lie in the future: what is to come runs by itself")
        raise InvalidOption("last_at", problem)
    past = Past(schedule, first_at, last_at, reprocess, newest_first)
    if past.count(MOST_MOMENTS + 1) > MOST_MOMENTS:
        problem = _("more than %(most)s moments lie in the range: choose a shorter one")
        raise InvalidOption("first_at", problem % {"most": f"{MOST_MOMENTS:,}"})
    return past


def _check_at_once(at_once: object) -> None:
    is_whole = isinstance(at_once, int) and not isinstance(at_once, bool)
    if not is_whole or not 1 <= at_once <= MOST_AT_ONCE:  # type: ignore[operator]
        problem = _("must be a whole number from %(least)s to %(most)s")
        raise InvalidOption("at_once", problem % {"least": 1, "most": "1,000"})


def _refuse_shared_moments(past: Past) -> None:
    found = Backfill.objects.filter(schedule=past.schedule, state__in=OPEN)
    other = found.filter(first_at__lt=past.last_at, last_at__gt=past.first_at).first()
    if other is not None:
        problem = _("backfill %(number)s goes on in this range: abort it, or wait")
        raise InvalidOption("first_at", problem % {"number": other.pk})
