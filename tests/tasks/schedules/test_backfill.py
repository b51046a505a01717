from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tasks.errors import InvalidOption, PermissionMissing
from tasks.models import Audit, Backfill, Schedule
from tasks.models.backfill import BackfillState, Reprocess
from tasks.models.fire import Verdict
from tasks.policy import PERMISSIONS, Actor
from tasks.schedules.backfill import (
    MOST_LISTED,
    abort,
    create,
    dry_run,
    go_on,
    pause,
)
from tasks.schedules.clock import clock
from tasks.schedules.errors import BackfillNotFound, BackfillOver
from tasks.states import State
from tests.timetable import (
    DAY,
    NOW,
    create_backfill,
    create_calendar,
    create_fire,
    create_schedule,
)

pytestmark = pytest.mark.django_db

MARA = Actor("mara", "web", frozenset({PERMISSIONS["schedule.manage"]}))
GUEST = Actor("guest", "web", frozenset({PERMISSIONS["submit"]}))

HOUR = timedelta(hours=1)

#: The moments of the three days before NOW, at 09:00.
FIRST, SECOND, THIRD = (NOW + HOUR - day * DAY for day in (3, 2, 1))


def planned(schedule: Schedule, **choices: Any) -> list[datetime]:
    found = dry_run(schedule, NOW - 3 * DAY, NOW, **choices)
    return [moment.due_at for moment in found.moments]


class TestDryRun:
    def test_it_lists_the_moments_of_the_range_and_writes_nothing(self) -> None:
        schedule = create_schedule()
        found = dry_run(schedule, FIRST, THIRD)
        # The beginning is included, the end is not.
        assert [moment.due_at for moment in found.moments] == [FIRST, SECOND]
        assert (found.total, found.left_out) == (2, 0)
        assert not Backfill.objects.exists()

    def test_the_newest_may_come_first(self) -> None:
        expected = [THIRD, SECOND, FIRST]
        assert planned(create_schedule(), newest_first=True) == expected

    def test_it_counts_more_than_it_lists(self) -> None:
        schedule = create_schedule(expression="*/10 * * * *")
        for newest_first in (False, True):
            found = dry_run(schedule, NOW - 7 * DAY, NOW, newest_first=newest_first)
            assert found.total == 7 * 144
            assert len(found.moments) == MOST_LISTED
            first = NOW - 10 * timedelta(minutes=1) if newest_first else NOW - 7 * DAY
            assert found.moments[0].due_at == first

    def test_days_off_have_no_moments(self) -> None:
        calendar = create_calendar(off=[f"{SECOND:%Y-%m-%d}"], weekends=[])
        assert planned(create_schedule(calendar=calendar)) == [FIRST, THIRD]

    def test_what_ran_is_left_out_unless_it_is_wanted_again(self) -> None:
        schedule = create_schedule()
        create_fire(schedule, FIRST, state=State.FAILED)
        create_fire(schedule, SECOND, state=State.FINISHED)
        create_fire(schedule, THIRD, Verdict.MISSED)
        assert planned(schedule) == [THIRD]
        assert planned(schedule, reprocess=Reprocess.FAILED) == [FIRST, THIRD]
        assert planned(schedule, reprocess=Reprocess.ALL) == [FIRST, SECOND, THIRD]
        assert dry_run(schedule, NOW - 3 * DAY, NOW).left_out == 2

    @pytest.mark.parametrize("state", [State.QUEUED, State.STARTED, None])
    def test_what_has_not_failed_yet_or_is_forgotten_is_no_failure(
        self, state: State | None
    ) -> None:
        schedule = create_schedule()
        create_fire(schedule, FIRST, state=state)
        assert FIRST not in planned(schedule, reprocess=Reprocess.FAILED)

    def test_what_an_earlier_backfill_made_good_has_not_failed(self) -> None:
        schedule = create_schedule()
        create_fire(schedule, FIRST, state=State.FAILED)
        earlier = create_backfill(schedule, state=BackfillState.DONE)
        create_fire(schedule, FIRST, state=State.FINISHED, backfill=earlier)
        assert FIRST not in planned(schedule, reprocess=Reprocess.FAILED)

    def test_another_schedule_s_fires_do_not_count(self) -> None:
        create_fire(create_schedule("other"), FIRST, state=State.FINISHED)
        assert planned(create_schedule()) == [FIRST, SECOND, THIRD]


class TestRefusals:
    @pytest.mark.parametrize(
        ("first", "last", "field", "problem"),
        [
            (NOW, NOW, "last_at", "must lie after the beginning"),
            (NOW, NOW - DAY, "last_at", "must lie after the beginning"),
            (NOW.replace(tzinfo=None), NOW, "first_at", "with its zone"),
            (NOW, "2026-03-10", "last_at", "with its zone"),
        ],
    )
    def test_a_range_that_is_none(
        self, first: Any, last: Any, field: str, problem: str
    ) -> None:
        with pytest.raises(InvalidOption, match=problem) as refused:
            dry_run(create_schedule(), first, last)
        assert refused.value.option == field

    def test_a_range_that_is_not_over(self) -> None:
        with pytest.raises(
            InvalidOption, match="must not lie in the future"
        ) as refused:
            dry_run(create_schedule(), NOW, clock.now() + HOUR)
        assert refused.value.option == "last_at"

    def test_more_moments_than_a_person_can_mean(self) -> None:
        schedule = create_schedule(kind="every", every=1, expression="")
        seconds = timedelta(seconds=10_000)
        assert dry_run(schedule, NOW - seconds, NOW).total == 10_000
        with pytest.raises(InvalidOption, match=r"more than 10,000 moments"):
            dry_run(schedule, NOW - seconds - timedelta(seconds=1), NOW)

    @pytest.mark.parametrize(
        "fields", [{"kind": "after", "every": 60}, {"kind": "once", "at": NOW + DAY}]
    )
    def test_kinds_that_have_no_past(self, fields: dict[str, Any]) -> None:
        schedule = create_schedule(expression="", **fields)
        with pytest.raises(InvalidOption, match="only cron expressions and intervals"):
            dry_run(schedule, NOW - DAY, NOW)

    def test_a_schedule_that_could_not_run_now_either(self) -> None:
        schedule = create_schedule(kwargs={"a": "many"})
        with pytest.raises(InvalidOption, match=r"arguments do not fit") as refused:
            dry_run(schedule, NOW - DAY, NOW)
        assert refused.value.option == "schedule"

    def test_a_choice_that_is_none(self) -> None:
        with pytest.raises(InvalidOption, match="none, failed, all"):
            dry_run(create_schedule(), NOW - DAY, NOW, reprocess="some")


class TestCreating:
    def test_it_keeps_what_was_chosen_and_who_chose(self) -> None:
        schedule = create_schedule()
        made = create(
            MARA,
            schedule,
            NOW - 3 * DAY,
            NOW,
            reprocess=Reprocess.ALL,
            newest_first=True,
            at_once=2,
        )
        kept = Backfill.objects.get()
        assert kept == made
        assert (kept.state, kept.total, kept.cursor) == ("running", 3, None)
        assert (kept.first_at, kept.last_at) == (NOW - 3 * DAY, NOW)
        assert (kept.reprocess, kept.newest_first, kept.at_once) == ("all", True, 2)
        assert kept.created_by == "mara"
        entry = Audit.objects.get()
        assert (entry.verb, entry.target) == ("backfill.create", "nightly")
        assert entry.reason == str(kept.pk)

    def test_it_needs_the_permission(self) -> None:
        with pytest.raises(PermissionMissing):
            create(GUEST, create_schedule(), NOW - DAY, NOW)
        assert not Backfill.objects.exists()

    @pytest.mark.parametrize("at_once", [0, -1, 1_001, True, 1.5, "2", None])
    def test_a_number_at_once_that_is_none(self, at_once: Any) -> None:
        with pytest.raises(InvalidOption, match="from 1 to 1,000") as refused:
            create(MARA, create_schedule(), NOW - DAY, NOW, at_once=at_once)
        assert refused.value.option == "at_once"

    def test_a_range_in_which_all_ran(self) -> None:
        schedule = create_schedule()
        create_fire(schedule, THIRD, state=State.FINISHED)
        with pytest.raises(InvalidOption, match="no moment of the range is left"):
            create(MARA, schedule, NOW - DAY, NOW)
        assert not Audit.objects.exists()

    @pytest.mark.parametrize("state", [BackfillState.RUNNING, BackfillState.PAUSED])
    def test_a_range_in_which_another_goes_on(self, state: BackfillState) -> None:
        schedule = create_schedule()
        other = create_backfill(schedule, state=state)
        with pytest.raises(InvalidOption, match=f"backfill {other.pk} goes on"):
            create(MARA, schedule, NOW - DAY, NOW)

    def test_beside_another_range_or_one_that_is_over(self) -> None:
        schedule = create_schedule()
        create_backfill(schedule, state=BackfillState.ABORTED)
        create_backfill(create_schedule("other"))
        create_backfill(schedule, first_at=NOW - 9 * DAY, last_at=NOW - 3 * DAY)
        assert create(MARA, schedule, NOW - 3 * DAY, NOW).total == 3


VERBS = [(pause, "paused"), (go_on, "running"), (abort, "aborted")]


class TestChanging:
    @pytest.mark.parametrize(("act", "state"), VERBS)
    def test_it_is_done_once_and_told_once(
        self, act: Callable[[Actor, int], Backfill], state: str
    ) -> None:
        before = BackfillState.PAUSED if act is go_on else BackfillState.RUNNING
        backfill = create_backfill(create_schedule(), state=before)
        for _time in range(2):
            assert act(MARA, backfill.pk).state == state
        kept = Backfill.objects.get()
        assert kept.state == state
        assert (kept.ended_at is None) == (act is not abort)
        entry = Audit.objects.get()
        assert (entry.verb, entry.target, entry.actor) == (
            f"backfill.{act.__name__}",
            "nightly",
            "mara",
        )

    @pytest.mark.parametrize(("act", "_state"), VERBS)
    def test_one_that_is_done_stays_so(
        self, act: Callable[[Actor, int], Backfill], _state: str
    ) -> None:
        backfill = create_backfill(create_schedule(), state=BackfillState.DONE)
        with pytest.raises(
            BackfillOver, match=f"Backfill {backfill.pk} is done already"
        ):
            act(MARA, backfill.pk)
        assert Backfill.objects.get().state == "done"

    @pytest.mark.parametrize(("act", "_state"), VERBS)
    def test_it_needs_the_permission_and_a_backfill(
        self, act: Callable[[Actor, int], Backfill], _state: str
    ) -> None:
        backfill = create_backfill(create_schedule())
        with pytest.raises(PermissionMissing):
            act(GUEST, backfill.pk)
        with pytest.raises(BackfillNotFound, match="There is no backfill"):
            act(MARA, backfill.pk + 1)
        assert Backfill.objects.get().state == "running"
