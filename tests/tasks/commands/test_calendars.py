from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tasks.models import Calendar
from tests.timetable import create_calendar, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("calendars", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == 2
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "cn.json"
    path.write_text('{"off": ["2026-10-01"], "work": ["2026-10-10"]}')
    return str(path)


def test_one_is_added_and_replaced(file: str) -> None:
    said = run("add", "cn", file)
    assert said == ("Calendar cn is saved; days off: 1, make-up working days: 1.\n")
    Path(file).write_text('{"off": ["2026-10-01", "2026-10-02"]}')
    assert "days off: 2, make-up working days: 0" in run("add", "cn", file)
    assert Calendar.objects.count() == 1


def test_a_hyphen_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    days = io.TextIOWrapper(io.BytesIO(b'{"off": ["2026-10-01"]}'))
    monkeypatch.setattr(sys, "stdin", days)
    assert "days off: 1" in run("add", "cn", "-")


def test_they_are_listed_with_who_keeps_to_them() -> None:
    assert run() == "No calendars.\n"
    create_schedule(calendar=create_calendar(off=["2026-10-01"]))
    heads, row = run().splitlines()
    assert heads.split() == ["CALENDAR", "OFF", "WORK", "UNTIL", "SCHEDULES"]
    assert row.split() == ["cn", "1", "0", "2026-10-01", "1"]
    told = json.loads(run("--json"))
    assert (told["name"], told["last_day"], told["schedules"]) == (
        "cn",
        "2026-10-01",
        1,
    )


def test_the_days_are_shown(file: str) -> None:
    run("add", "cn", file)
    off, work = run("show", "cn").splitlines()
    assert off.startswith("- 2026-10-01 Thu")
    assert work.startswith("+ 2026-10-10 Sat")
    for words in (("--json", "show", "cn"), ("show", "cn", "--json")):
        assert json.loads(run(*words))["off"] == ["2026-10-01"]


def test_one_is_deleted_unless_it_is_used() -> None:
    create_schedule(calendar=create_calendar())
    assert "schedules keep to it" in refused("delete", "cn")
    create_calendar("de")
    assert run("delete", "de") == "Calendar de is deleted.\n"
    assert Calendar.objects.count() == 1


def test_bad_input_is_told(tmp_path: Path) -> None:
    web_page = tmp_path / "page.html"
    web_page.write_text("<html>")
    assert "is a web page" in refused("add", "cn", str(web_page))
    assert "cannot be read: No such file" in refused("add", "cn", "/no/such/file")
    assert "There is no calendar cn" in refused("show", "cn")
    assert "There is no calendar cn" in refused("delete", "cn")
