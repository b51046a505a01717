from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tasks.models import Audit, Calendar, Schedule
from tests.clocks import stop_clock
from tests.timetable import NOW, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

GREET = ("create", "nightly", "--task", "greet", "--arg", "name=x")

#: What the options of a rule and of each field may be given.
ODD = (
    *("", " ", "-1", "0", "1.5", "nan", "inf", "1e400", "9" * 400, "true", "x\ny"),
    *("😀", "\x1b[2J", "x" * 11_000, os.fsdecode(b"\xff"), "* * * * * *", "0 0 30 2 *"),
    *("0001-01-01T00:00", "9999-12-31T23:59Z", "now", "Asia/Shangai", "../../etc"),
)

OPTIONS = (
    *("--cron", "--every", "--after", "--once", "--task", "--queue", "--timeout"),
    *("--retries", "--tags", "--zone", "--starts-at", "--ends-at", "--most-fires"),
    *("--jitter", "--calendar", "--on-day-off", "--misfire", "--misfire-most"),
    *("--misfire-age", "--grace", "--overlap", "--arg", "--unset"),
)


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


def refused(command: str, *arguments: str) -> str:
    """Return the sentence that a command ends with, "" where it does not fail."""
    said, code = "", 0
    try:
        call_command(command, *arguments, stdout=io.StringIO(), stderr=io.StringIO())
    except CommandError as error:
        said, code = str(error), error.returncode
    assert (code in (1, 2)) is (said != "")
    assert len(said) < 1_000 + max(map(len, ODD))
    return said


@pytest.mark.parametrize("option", OPTIONS)
def test_an_odd_value_is_refused_or_can_work(option: str) -> None:
    rule = () if option in OPTIONS[:4] else ("--cron", "@daily")
    for value in ODD:
        said = refused("schedules", *GREET, *rule, f"{option}={value}")
        assert Schedule.objects.exists() is (said == ""), (value, said)
        assert Audit.objects.exists() is (said == "")
        if not said:
            assert refused("schedules", "show", "nightly") == "", value
            assert refused("schedules", "export") == "", value
        Schedule.objects.all().delete()
        Audit.objects.all().delete()


@pytest.mark.parametrize("name", ODD[::3])
@pytest.mark.parametrize(
    "verb", ["show", "next", "set", "enable", "disable", "run", "delete", "reset"]
)
def test_a_name_that_is_none_is_told(verb: str, name: str) -> None:
    create_schedule()
    said = refused("schedules", verb, "--", name)
    assert said
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize("value", ODD)
def test_what_is_looked_for_may_be_anything(value: str) -> None:
    said = refused("schedules", f"--text={value}")
    assert said in ("", "An argument is not valid UTF-8 text.")


@pytest.mark.parametrize("name", ODD)
def test_a_calendar_without_such_a_name_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cn.json"
    path.write_text('["2026-10-01"]')
    assert refused("calendars", "show", "--", name)
    assert refused("calendars", "delete", "--", name)
    if name not in ("0", "1.5", "nan", "inf", "1e400", "true", "now"):
        assert refused("calendars", "add", "--", name, str(path))
        assert not Calendar.objects.exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "a document is a list of schedules"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"\xef\xbb\xbf- name: a\r\n  colour: blue\r\n", "line 2"),
        (b"- name: a\n\ttask: t\n", "line 2"),
        (b"- name: a\n  name: b\n", "there twice"),
        (b"- name: !!python/object/apply:os.system [id]\n", "line 1"),
        (b"- &a [*a]\n", "line 1"),
        (b"a: &a [x,x]\nb: &b [*a,*a]\n", "a document is a list of schedules"),
        (b"- name: a\n  kwargs: " + b"[" * 5_000, "nested too deeply"),
        (b"- name: a\x00\n", "line 1"),
        (b"- name: a\n" * 30_000, "line 2"),
        (b"- [" + b"x," * 400_000, "has more than 200,000 values"),
        (b"x" * (17 << 20), "larger than 16 MB"),
    ],
)
def test_what_is_no_document_is_one_error(
    tmp_path: Path, data: bytes, words: str
) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_bytes(data)
    assert words in refused("schedules", "import", str(path))
    assert words in refused("schedules", "import", str(path), "--dry-run")
    assert not Schedule.objects.exists()
