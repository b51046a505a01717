from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tasks.errors import BrokerFull, InvalidOption
from tasks.models import Audit, Schedule
from tasks.policy import Actor
from tasks.registry import Task, registry
from tasks.schedules import saving, sync
from tasks.schedules.checks import problem_of
from tasks.schedules.declared import Declared, cron, every
from tasks.schedules.definitions import change, create, delete, reset, set_enabled
from tasks.schedules.keeping import save_calendar
from tasks.schedules.sync import FirstSync, Synced, sync_declared
from tests.clocks import stop_clock
from tests.timetable import NOW, create_calendar

pytestmark = pytest.mark.django_db(transaction=True)

MARA = Actor("mara", "web")
DAY = timedelta(days=1)

ARGUMENTS: dict[str, Any] = {"kwargs": {"name": "x"}}


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


def nightly(expression: str = "0 9 * * *", **settings: Any) -> Declared:
    return cron(expression, **{"name": "nightly", **ARGUMENTS, **settings})


def tasks(*declared: Declared) -> list[Task]:
    """Return the task `greet` as it declares these."""
    return [replace(registry.get("greet"), schedules=declared)]


def synced(*declared: Declared, after: timedelta = timedelta()) -> Synced:
    return sync_declared(tasks(*declared), NOW + after)


def stored(name: str = "nightly") -> Schedule:
    return Schedule.objects.select_related("calendar").get(name=name)


class TestMaking:
    def test_a_row_has_what_the_code_says(self) -> None:
        done = synced(nightly(zone="Asia/Shanghai", jitter=30, overlap="skip"))
        assert done.made == ["nightly"]
        row = stored()
        assert (row.task, row.zone, row.jitter) == ("greet", "Asia/Shanghai", 30)
        assert (row.overlap, row.created_by, row.overrides) == ("skip", "code", {})
        assert row.declared is not None
        assert row.declared["zone"] == "Asia/Shanghai"
        assert row.next_due_at is not None
        entry = Audit.objects.get()
        assert (entry.actor, entry.via, entry.verb) == (
            "code",
            "code",
            "schedule.declare",
        )

    def test_a_second_time_changes_nothing(self) -> None:
        shown = nightly(args=(), tags=("a",), kwargs={"name": ("x",)[0]})
        synced(shown)
        done = synced(shown, after=DAY)
        assert (done.changed, done.problems) == ([], {})
        assert (stored().version, Audit.objects.count()) == (1, 1)

    def test_one_task_may_have_several(self) -> None:
        synced(nightly(), every(300, name="often", **ARGUMENTS))
        assert (stored("often").kind, stored("often").every) == ("every", 300)

    def test_what_people_made_of_that_name_stays_theirs(self) -> None:
        create(MARA, "nightly", {"task": "tests.sample.fail", "expression": "@daily"})
        done = synced(nightly(), nightly(name="other"))
        assert "people made one of that name" in done.problems["nightly"]
        assert stored().task == "tests.sample.fail"
        assert stored("other").is_declared

    def test_arguments_that_do_not_fit_are_told_and_stop_nothing(self) -> None:
        done = synced(nightly(kwargs={"nme": "x"}), nightly(name="other"))
        assert "name: is required" in done.problems["nightly"]
        assert "name: is required" in problem_of(stored())
        assert stored("other").enabled

    def test_another_process_may_have_made_it_just_now(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced(nightly())
        # It reads before the other one commits.
        monkeypatch.setattr(sync, "_lock", lambda _named: [])
        done = synced(nightly(), nightly(name="other"))
        assert (done.made, done.problems) == (["other"], {})
        assert Schedule.objects.count() == 2


class TestFollowing:
    def test_the_codes_change_is_taken_over(self) -> None:
        synced(nightly())
        done = synced(nightly("0 10 * * *", tags=["a"]))
        row = stored()
        assert done.changed == ["nightly"]
        assert (row.expression, row.tags, row.version) == ("0 10 * * *", ["a"], 2)
        assert row.next_due_at == NOW + timedelta(hours=2)
        assert row.changed_by == "code"

    def test_a_persons_change_stands_before_the_codes(self) -> None:
        synced(nightly())
        change(MARA, "nightly", {"expression": "0 12 * * *"})
        synced(nightly("0 10 * * *", tags=["a"]))
        row = stored()
        assert (row.expression, row.tags) == ("0 12 * * *", ["a"])
        assert row.declared is not None
        assert row.declared["expression"] == "0 10 * * *"
        assert row.overrides["expression"] == {"by": "mara", "at": NOW.isoformat()}
        assert set(row.overrides) == {"kind", "expression", "every", "at"}

    def test_a_rule_is_changed_as_a_whole(self) -> None:
        synced(nightly())
        change(MARA, "nightly", {"kind": "every", "every": 300})
        synced(nightly("0 10 * * *"))
        row = stored()
        assert (row.kind, row.every, row.expression) == ("every", 300, "")

    def test_what_is_set_back_to_the_codes_value_is_no_change_any_more(self) -> None:
        synced(nightly())
        change(MARA, "nightly", {"grace": 5, "expression": "0 12 * * *"})
        change(MARA, "nightly", {"expression": "0 9 * * *"})
        assert set(stored().overrides) == {"grace"}

    def test_a_change_that_waits_for_redis_is_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_facts: object) -> None:
            raise BrokerFull(9, 10)

        synced(nightly())
        with monkeypatch.context() as patched:
            patched.setattr(saving, "settle", refuse)
            done = synced(nightly("0 10 * * *"))
            assert done.put_off == ["nightly"]
            assert stored().expression == "0 9 * * *"
        assert synced(nightly("0 10 * * *")).changed == ["nightly"]


class TestResetting:
    def test_some_fields_are_as_the_code_has_them(self) -> None:
        synced(nightly())
        change(MARA, "nightly", {"expression": "0 12 * * *", "grace": 5, "jitter": 9})
        reset(MARA, "nightly", ["expression", "jitter"])
        row = stored()
        assert (row.expression, row.jitter, row.grace) == ("0 9 * * *", 0, 5)
        assert set(row.overrides) == {"grace"}
        assert Audit.objects.latest("pk").verb == "schedule.reset"

    def test_all_fields_without_a_name(self) -> None:
        synced(nightly())
        change(MARA, "nightly", {"expression": "0 12 * * *", "grace": 5})
        set_enabled(MARA, "nightly", enabled=False)
        reset(MARA, "nightly")
        row = stored()
        assert (row.expression, row.grace, row.enabled) == ("0 9 * * *", 60, True)
        assert row.overrides == {}

    def test_nothing_to_take_back_changes_nothing(self) -> None:
        synced(nightly())
        assert reset(MARA, "nightly").version == 1

    def test_what_people_made_has_no_code(self) -> None:
        create(MARA, "own", {"task": "tests.sample.fail", "expression": "@daily"})
        with pytest.raises(InvalidOption, match="no code declares it"):
            reset(MARA, "own")

    def test_an_unknown_field_is_refused(self) -> None:
        synced(nightly())
        with pytest.raises(InvalidOption, match="colour: is not a field"):
            reset(MARA, "nightly", ["colour"])


class TestVanishing:
    def test_it_is_disabled_and_enabled_again_when_it_comes_back(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        synced(nightly())
        assert synced(after=DAY).gone == ["nightly"]
        assert [one.action for one in caplog.records] == ["schedule_gone"]
        row = stored()
        assert (row.enabled, row.gone_at, row.next_at) == (False, NOW + DAY, None)
        assert synced(nightly(), after=2 * DAY).back == ["nightly"]
        row = stored()
        assert (row.enabled, row.gone_at) == (True, None)
        assert row.next_due_at is not None

    def test_one_that_a_person_disabled_stays_so(self) -> None:
        synced(nightly())
        set_enabled(MARA, "nightly", enabled=False)
        synced(after=DAY)
        synced(nightly(), after=2 * DAY)
        assert not stored().enabled

    def test_one_that_a_person_enabled_against_the_code_is_enabled_again(self) -> None:
        synced(nightly(enabled=False))
        assert not stored().enabled
        set_enabled(MARA, "nightly", enabled=True)
        synced(after=DAY)
        assert not stored().enabled
        synced(nightly(enabled=False), after=2 * DAY)
        assert stored().enabled

    def test_a_person_may_go_on_without_the_code(self) -> None:
        synced(nightly())
        synced(after=DAY)
        set_enabled(MARA, "nightly", enabled=True)
        assert synced(after=2 * DAY).gone == []
        assert stored().enabled

    def test_what_is_gone_may_be_deleted(self) -> None:
        synced(nightly())
        synced(after=DAY)
        delete(MARA, "nightly")
        assert not Schedule.objects.exists()

    def test_a_reset_does_not_enable_what_the_code_no_longer_has(self) -> None:
        synced(nightly())
        change(MARA, "nightly", {"enabled": False, "grace": 5})
        synced(after=DAY)
        reset(MARA, "nightly")
        assert (stored().enabled, stored().grace) == (False, 60)


class TestCalendars:
    DATA = b'{"off": ["2026-03-10"]}'

    def test_one_whose_calendar_is_not_there_waits_for_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        named = tasks(nightly(calendar="cn"))
        done = sync_declared(named, NOW)
        assert "There is no calendar cn" in done.problems["nightly"]
        assert "There is no calendar cn" in problem_of(stored())
        assert not stored().enabled
        monkeypatch.setattr(
            "tasks.schedules.keeping.sync_declared", lambda: sync_declared(named, NOW)
        )
        save_calendar(MARA, "cn", self.DATA)
        row = stored()
        assert (row.enabled, problem_of(row)) == (True, "")
        assert row.calendar is not None
        assert row.next_due_at == NOW + timedelta(hours=1) + DAY

    def test_the_code_names_one_that_is_there(self) -> None:
        create_calendar("cn")
        assert synced(nightly(calendar="cn")).problems == {}
        assert stored().calendar is not None
        assert synced(nightly(calendar="cn")).changed == []


def test_the_first_sync_is_done_once_it_went_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [Synced(put_off=["nightly"]), Synced(), Synced()]
    monkeypatch.setattr(sync, "sync_declared", lambda: answers.pop(0))
    first = FirstSync()
    for _time in range(4):
        first.step()
    assert len(answers) == 1
