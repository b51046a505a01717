from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.errors import (
    InvalidArguments,
    InvalidOption,
    PayloadTooLarge,
    ScheduleChanged,
    ScheduleExists,
    ScheduleNotFound,
)
from tasks.models import Audit, Fire, Schedule
from tasks.policy import PERMISSIONS, Actor
from tasks.schedules.definitions import (
    change,
    create,
)
from tests.clocks import stop_clock
from tests.tasks.schedules.defining import HOUR, MARA, NINE, audited, make, stored
from tests.timetable import DAY, NOW, create_calendar, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

MANAGER = Actor("lu", "web", frozenset({PERMISSIONS["schedule.manage"]}))


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


class TestCreating:
    def test_it_is_saved_planned_and_audited(self) -> None:
        create(
            MANAGER, "nightly", {"task": "tests.sample.fail", "expression": "@daily"}
        )
        row = stored()
        assert (row.expression, row.zone, row.version) == ("0 0 * * *", "UTC", 1)
        assert (row.created_by, row.changed_by, row.cursor) == ("lu", "lu", NOW)
        assert row.next_due_at == datetime(2026, 3, 11, tzinfo=UTC)
        assert audited() == [("lu", "schedule.create", "nightly")]

    def test_moments_without_a_zone_are_times_in_the_schedules(self) -> None:
        make(zone="Asia/Shanghai", starts_at="2026-04-01T09:00")
        assert stored().starts_at == datetime(2026, 4, 1, 1, tzinfo=UTC)
        assert stored().next_due_at == datetime(2026, 4, 1, 1, tzinfo=UTC)

    def test_none_is_what_the_field_has_by_itself(self) -> None:
        make(zone=None, grace=None, queue=None, tags=None, misfire=None)
        row = stored()
        assert (row.zone, row.grace, row.queue, row.tags) == ("UTC", 60, "", [])
        assert row.misfire == "once"

    def test_what_belongs_to_another_kind_is_refused(self) -> None:
        problem = "at: means nothing to a schedule of the kind every"
        with pytest.raises(InvalidOption, match=problem):
            make(kind="every", every=300, at="2027-01-01T00:00Z")
        make(kind="every", every=300, at=None, expression="")
        row = stored()
        assert (row.kind, row.expression, row.every, row.at) == ("every", "", 300, None)

    def test_whole_seconds_are_told_without_a_fraction(self) -> None:
        make(kind="every", every=20)
        change(MARA, "nightly", {"every": 30, "jitter": 0.5})
        newest = Audit.objects.order_by("pk").last()
        assert newest is not None
        assert newest.result == "every: 20 → 30, jitter: 0 → 0.5"

    def test_all_fields_that_are_wrong_are_told_at_once(self) -> None:
        wrong: dict[str, Any] = {
            "expression": "61 * * * *",
            "zone": "Mars/Base",
            "calendar": "cn",
            "grace": -5,
            "retries": 100_000,
            "tags": ["x" * 51],
            "nights": 2,
        }
        with pytest.raises(InvalidOption) as caught:
            make("a/b", **wrong)
        assert caught.value.by_field.keys() == {*wrong, "name"}
        make()
        with pytest.raises(InvalidOption) as caught:
            change(MARA, "nightly", wrong)
        assert caught.value.by_field.keys() == wrong.keys()

    def test_of_an_unknown_kind_nothing_else_is_said(self) -> None:
        with pytest.raises(InvalidOption) as caught:
            make(kind="weekly", every=5)
        assert caught.value.by_field.keys() == {"kind"}

    def test_a_change_of_the_kind_leaves_nothing_of_the_old_one(self) -> None:
        make()
        change(MARA, "nightly", {"kind": "every", "every": 300})
        assert (stored().expression, stored().every) == ("", 300)

    def test_one_that_follows_its_own_end_begins_at_once(self) -> None:
        make(kind="after", every=60)
        due_at = stored().next_due_at
        assert due_at is not None
        assert NOW <= due_at < NOW + timedelta(seconds=1)

    def test_a_disabled_one_is_not_due(self) -> None:
        make(enabled=False)
        row = stored()
        assert (row.next_at, row.disabled_at) == (None, NOW)

    def test_a_name_that_is_taken_is_refused(self) -> None:
        make()
        with pytest.raises(ScheduleExists, match="nightly exists already"):
            make(expression="0 10 * * *")
        assert stored().expression == "0 9 * * *"
        assert Audit.objects.count() == 1

    @pytest.mark.parametrize(
        "name", ["", " x", "x ", "a/b", "a\0b", "x" * 201, "a\nb", "?"]
    )
    def test_a_name_that_no_address_can_have_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidOption) as caught:
            make(name)
        assert caught.value.option == "name"

    @pytest.mark.parametrize(
        ("values", "option", "words"),
        [
            ({"expression": ""}, "expression", "is empty"),
            ({"expression": "0 0 31 2 *"}, "expression", "never fires"),
            ({"expression": "* * * * * *"}, "expression", "every second"),
            ({"expression": ",".join(["1"] * 5000)}, "expression", "at most 500"),
            ({"expression": 9}, "expression", "must be text"),
            ({"zone": "Asia/Shangai"}, "zone", "Did you mean Asia/Shanghai?"),
            ({"task": "gret"}, "task", "Did you mean greet?"),
            ({"task": ""}, "task", "is required"),
            ({"queue": "a b"}, "queue", "without blanks"),
            ({"timeout": 0}, "timeout", "whole number"),
            ({"retries": -1}, "retries", "whole number"),
            ({"tags": ["x"] * 3 + ["y" * 51]}, "tags", "at most 20 words"),
            ({"kind": "weekly"}, "kind", "one of cron"),
            ({"kind": "every", "every": 0.5}, "every", "between 1 s"),
            ({"kind": "once", "at": "soon"}, "at", "such as 2026-01-31"),
            ({"kind": "once", "at": "2026-03-10T07:59Z"}, "at", "in the past"),
            ({"ends_at": "2026-03-10T07:59Z"}, "ends_at", "in the past"),
            ({"ends_at": "2026-03-10T08:30Z"}, "ends_at", "leaves no moment"),
            ({"most_fires": 0}, "most_fires", "whole number"),
            ({"jitter": -1}, "jitter", "seconds, from 0"),
            ({"grace": float("nan")}, "grace", "seconds, from 0"),
            ({"misfire": "sometimes"}, "misfire", "one of skip"),
            ({"misfire_most": 10_001}, "misfire_most", "10,000"),
            ({"overlap": "both"}, "overlap", "one of allow"),
            ({"enabled": 1}, "enabled", "true or false"),
            ({"calendar": "cn"}, "calendar", "There is no calendar cn"),
            ({"args": "x"}, "args", "must be a list"),
            ({"kwargs": {"name": float("inf")}}, "kwargs", "not a number"),
            ({"kwargs": ["x"]}, "kwargs", "mapping"),
            ({"expresion": "0 9 * * *"}, "expresion", "did you mean expression?"),
        ],
    )
    def test_bad_input_is_refused_with_the_field_and_the_way_out(
        self, values: dict[str, Any], option: str, words: str
    ) -> None:
        with pytest.raises(InvalidOption) as caught:
            make(**values)
        assert caught.value.option == option
        assert words in str(caught.value)
        assert not Schedule.objects.exists()
        assert not Audit.objects.exists()

    def test_arguments_that_do_not_fit_are_named_one_by_one(self) -> None:
        with pytest.raises(InvalidArguments) as caught:
            make(kwargs={"nme": "x", "loudly": "maybe"})
        assert caught.value.problems == {
            "name": "is required",
            "loudly": "must be true or false",
            "nme": "is not an argument of this task",
        }

    def test_arguments_that_are_too_large_for_a_job_are_refused(self) -> None:
        with pytest.raises(PayloadTooLarge):
            make(kwargs={"name": "x" * 300_000})

    def test_a_calendar_without_working_days_is_refused(self) -> None:
        create_calendar("never", [f"{NOW + n * DAY:%Y-%m-%d}" for n in range(99)])
        with pytest.raises(InvalidOption, match="has no working day"):
            make(calendar="never")


class TestChanging:
    def test_only_what_is_named_changes(self) -> None:
        make(tags=["a"])
        change(MARA, "nightly", {"expression": "0 10 * * *", "zone": "Europe/Berlin"})
        row = stored()
        assert (row.expression, row.tags, row.version) == ("0 10 * * *", ["a"], 2)
        assert row.next_due_at == NINE
        entry = Audit.objects.latest("pk")
        assert (entry.verb, entry.target) == ("schedule.change", "nightly")
        assert entry.result == (
            "expression: 0 9 * * * → 0 10 * * *, zone: UTC → Europe/Berlin"
        )

    def test_the_audit_does_not_repeat_arguments(self) -> None:
        make()
        change(MARA, "nightly", {"kwargs": {"name": "secret"}})
        assert Audit.objects.latest("pk").result == "kwargs"

    def test_what_changes_nothing_is_no_change(self) -> None:
        make(every=None)
        same = {"expression": "0  9 * * *", "grace": 60, "tags": ()}
        assert change(MARA, "nightly", same).version == 1
        assert stored().version == 1
        assert Audit.objects.count() == 1

    def test_what_somebody_else_changed_meanwhile_is_not_overwritten(self) -> None:
        make()
        change(MARA, "nightly", {"grace": 5}, version=1)
        with pytest.raises(ScheduleChanged, match="mara changed schedule nightly"):
            change(MANAGER, "nightly", {"grace": 9}, version=1)
        assert stored().grace == 5

    def test_a_refused_change_leaves_all_as_it_was(self) -> None:
        make()
        with pytest.raises(InvalidOption):
            change(MARA, "nightly", {"grace": 5, "zone": "Mars/North"})
        assert (stored().grace, stored().version) == (60, 1)

    def test_what_is_due_is_decided_by_the_old_rule_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make()
        stop_clock(monkeypatch, NINE + timedelta(seconds=1))
        change(MARA, "nightly", {"expression": "0 10 * * *"})
        assert Fire.objects.get().due_at == NINE
        row = stored()
        assert (row.fired, row.cursor) == (1, NINE + timedelta(seconds=1))
        assert row.next_due_at == NINE + HOUR

    def test_a_name_that_nobody_knows_comes_with_the_nearest(self) -> None:
        make()
        with pytest.raises(ScheduleNotFound, match="Did you mean nightly"):
            change(MARA, "nightli", {"grace": 5})

    def test_one_that_ran_out_goes_on_from_now_when_it_may_run_more(self) -> None:
        create_schedule(now=NOW - timedelta(days=9), most_fires=2, fired=2)
        change(MARA, "nightly", {"most_fires": 3})
        assert stored().next_due_at == NINE
