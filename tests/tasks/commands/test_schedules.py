from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tasks.models import Calendar, Job, Schedule
from tasks.registry import registry
from tests.clocks import stop_clock
from tests.timetable import NOW, create_calendar, create_fire, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

GREET = ("--task", "greet", "--arg", "name=x")


def run(*arguments: str, err: io.StringIO | None = None) -> str:
    out = io.StringIO()
    call_command("schedules", *arguments, stdout=out, stderr=err or io.StringIO())
    return out.getvalue()


def refused(*arguments: str, code: int = 2) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == code
    return str(caught.value)


def stored(name: str = "nightly") -> Schedule:
    return Schedule.objects.select_related("calendar").get(name=name)


class TestListing:
    def test_it_is_a_table_by_name(self) -> None:
        create_schedule("b", task="gone")
        create_fire(create_schedule("a", zone="Asia/Shanghai"))
        heads, first, second = run().splitlines()
        assert heads.split()[:3] == ["SCHEDULE", "WHEN", "ZONE"]
        assert "Asia/Shanghai" in first
        assert "Task gone is not registered" in second

    def test_json_is_a_line_for_each(self) -> None:
        create_schedule()
        told = json.loads(run("--json"))
        assert (told["name"], told["expression"]) == ("nightly", "0 9 * * *")
        assert told["problem"] == ""

    def test_it_filters(self) -> None:
        create_schedule("a")
        create_schedule("b", enabled=False)
        assert len(run("--text", "b").splitlines()) == 2
        assert "b" in run("--state", "disabled").splitlines()[1]
        assert run("--text", "zzz") == "No schedules.\n"

    def test_list_is_the_same_with_its_options_behind_it(self) -> None:
        create_schedule("a")
        create_schedule("b", enabled=False)
        assert run("list") == run()
        assert run("list", "--state", "disabled", "--text=b") == run("--text", "b")
        assert run("list", "--json") == run("--json") == run("--json", "list")

    def test_more_than_a_page_is_listed(self) -> None:
        for number in range(55):
            create_schedule(f"s{number:02}")
        assert len(run().splitlines()) == 56

    def test_names_cannot_steer_the_terminal(self) -> None:
        create_schedule("evil\x1b[2J")
        assert "\x1b" not in run() + run("show", "evil\x1b[2J")


class TestShowing:
    def test_it_tells_what_comes_and_what_became(self) -> None:
        create_fire(create_schedule(grace=5))
        out = run("show", "nightly")
        assert "grace: 5" in out
        assert "NEXT" in out
        assert "2026-03-10 08:00:00Z" in out

    def test_what_people_changed_stands_beside_the_code(self) -> None:
        mark = {"by": "mara", "at": NOW.isoformat()}
        create_schedule(grace=5, declared={"grace": 60}, overrides={"grace": mark})
        assert "grace: the code has 60; changed by mara" in run("show", "nightly")

    def test_what_the_code_took_on_is_told_as_no_difference(self) -> None:
        mark = {"by": "mara", "at": NOW.isoformat()}
        create_schedule(grace=60, declared={"grace": 60}, overrides={"grace": mark})
        assert "grace: as the code has it now; set by mara" in run("show", "nightly")

    def test_next_lists_as_many_as_asked_for(self) -> None:
        create_schedule(now=NOW.replace(year=2036))
        assert len(run("next", "nightly", "--count", "3").splitlines()) == 4

    @pytest.mark.parametrize("verb", ["show", "next", "enable", "disable", "reset"])
    def test_json_may_be_asked_for_behind_the_verb(self, verb: str) -> None:
        create_schedule(declared={"grace": 60}, now=NOW.replace(year=2036))
        for words in (("--json", verb, "nightly"), (verb, "nightly", "--json")):
            told = json.loads(run(*words).splitlines()[0])
            assert {"name", "due_at"} & told.keys()

    def test_an_unknown_name_comes_with_the_nearest(self) -> None:
        create_schedule()
        for verb in ("show", "next", "enable", "disable", "run", "delete", "reset"):
            assert "Did you mean nightly?" in refused(verb, "nightli")


class TestMaking:
    def test_every_option_reaches_the_row(self) -> None:
        create_calendar()
        options = (
            "--cron @daily --zone Asia/Shanghai --queue low --timeout 9 --retries 2"
            " --tags a,b --at-front --starts-at 2030-01-01T09:00 --most-fires 7"
            " --jitter 5m --calendar cn --on-day-off next --misfire all"
            " --misfire-most 5 --misfire-age 1d --grace 90 --overlap skip"
        )
        run("create", "nightly", *GREET, "--arg", "loudly=true", *options.split())
        row = stored()
        assert (row.task, row.kwargs) == ("greet", {"name": "x", "loudly": True})
        assert (row.kind, row.expression, row.zone) == (
            "cron",
            "0 0 * * *",
            "Asia/Shanghai",
        )
        assert (row.queue, row.timeout, row.retries, row.tags) == (
            "low",
            9,
            2,
            ["a", "b"],
        )
        assert (row.at_front, row.most_fires, row.jitter) == (True, 7, 300)
        assert row.starts_at is not None
        assert row.starts_at.isoformat() == "2030-01-01T01:00:00+00:00"
        assert isinstance(row.calendar, Calendar)
        assert (row.on_day_off, row.misfire, row.overlap) == ("next", "all", "skip")
        assert (row.misfire_most, row.misfire_age, row.grace) == (5, 86_400, 90)

    @pytest.mark.parametrize(
        ("option", "value", "kind", "field"),
        [
            ("--every", "5m", "every", "every"),
            ("--after", "1.5s", "after", "every"),
            ("--once", "2036-01-01T09:00", "once", "at"),
        ],
    )
    def test_each_kind_has_its_option(
        self, option: str, value: str, kind: str, field: str
    ) -> None:
        run("create", "nightly", *GREET, option, value)
        assert stored().kind == kind
        assert getattr(stored(), field) is not None

    def test_it_may_wait_to_be_enabled(self) -> None:
        run("create", "nightly", *GREET, "--cron", "@daily", "--disabled")
        assert not stored().enabled
        heading, moment = run("enable", "nightly").splitlines()
        assert heading == "nightly: Every day at 00:00 (UTC)"
        assert "00:00:00Z" in moment
        assert stored().enabled

    def test_set_changes_what_is_named(self) -> None:
        run("create", "nightly", *GREET, "--cron", "@daily", "--queue", "low")
        run("set", "nightly", "--every", "1h", "--unset", "queue", "--arg", "name=y")
        row = stored()
        assert (row.kind, row.every, row.queue) == ("every", 3600, "")
        assert row.kwargs == {"name": "y"}
        assert row.changed_by != ""

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (("--cron", "* * * * * *"), "every second"),
            (
                ("--cron", "@daily", "--zone", "Mars", "--arg", "name=x"),
                "zone: there is no time zone",
            ),
            (("--every", "5m", "--task", "gret"), "Did you mean greet?"),
            (("--every", "5m", "--arg", "nme=y"), "name: is required"),
            ((), "expression: is empty"),
        ],
    )
    def test_bad_input_is_one_sentence_that_names_the_field(
        self, options: tuple[str, ...], sentence: str
    ) -> None:
        said = refused("create", "nightly", "--task", "greet", *options)
        assert sentence in said
        assert "\n" not in said
        assert not Schedule.objects.exists()

    def test_a_length_that_is_none_is_refused(self) -> None:
        with pytest.raises(CommandError, match="write a time like 30s"):
            run("create", "nightly", *GREET, "--every", "soon")


class TestActing:
    def test_run_prints_the_job(self) -> None:
        create_schedule()
        job_id, state = run("run", "nightly", "a=5").split()
        assert (Job.objects.get(pk=job_id).kwargs, state) == ({"a": 5}, "queued")
        told = json.loads(run("--json", "run", "nightly"))
        assert Job.objects.get(pk=told["id"]).kwargs == {"a": 1}

    def test_disable_and_delete(self) -> None:
        create_schedule()
        assert run("disable", "nightly") == (
            "nightly: Every day at 09:00 (UTC)\nIt is disabled.\n"
        )
        assert not stored().enabled
        assert run("delete", "nightly") == "Schedule nightly is deleted.\n"
        assert not Schedule.objects.exists()

    def test_reset_takes_the_codes_values(self) -> None:
        mark = {"by": "mara", "at": NOW.isoformat()}
        create_schedule(grace=5, declared={"grace": 60}, overrides={"grace": mark})
        run("reset", "nightly", "grace")
        assert (stored().grace, stored().overrides) == (60, {})

    def test_sync_tells_what_it_did(self, monkeypatch: pytest.MonkeyPatch) -> None:
        create_schedule(declared={"task": "greet"})
        declared: list[Any] = [task for task in registry if task.schedules]
        assert declared == []
        assert run("sync") == "- nightly\n"
        assert stored().gone_at is not None


class TestBackfills:
    RANGE = ("2026-03-05", "2026-03-08")

    def test_a_dry_run_lists_what_would_run(self) -> None:
        create_schedule()
        lines = run(
            "backfill", "start", "nightly", *self.RANGE, "--dry-run"
        ).splitlines()
        assert lines[0] == "2026-03-05 09:00:00Z"
        assert lines[-1] == "3 moments would run; 0 would not, they ran."
        assert run("backfill", "list", "nightly") == "No backfills.\n"

    def test_one_is_started_paused_and_aborted(self) -> None:
        create_schedule()
        said = run("backfill", "start", "nightly", *self.RANGE, "--at-once", "2")
        number = said.split()[1]
        assert said == f"Backfill {number} is running.\n"
        assert "paused" in run("backfill", "pause", number)
        assert "running" in run("backfill", "go-on", number)
        assert "aborted" in run("backfill", "abort", number)
        assert "aborted" in run("backfill", "list", "nightly")

    def test_bad_input_is_told(self) -> None:
        create_schedule()
        assert "first_at" in refused("backfill", "start", "nightly", "soon", "now")
        assert "no backfill 99" in refused("backfill", "pause", "99")


def test_an_export_reads_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    stop_clock(monkeypatch, NOW)
    create_schedule(grace=5)
    path = tmp_path / "schedules.yaml"
    path.write_text(run("export"))
    assert run("import", str(path)).splitlines()[-1] == (
        "0 created, 0 changed, 0 deleted, 1 the same"
    )
