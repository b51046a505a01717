"""What docs/schedules.md says in tables, figures and code, held against the code."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.management import call_command

from tasks.conf import PROJECT_ROOT, Config
from tasks.models.fire import Verdict
from tasks.models.schedule import Schedule
from tasks.registry import Registry
from tasks.schedules import backfill, choices, fire_reports, misfire, pace, timeline
from tasks.schedules.overdue import OVERDUE_AFTER
from tasks.signals import schedule_overdue
from tests.timetable import NOW

TEXT = (PROJECT_ROOT / "docs" / "schedules.md").read_text()


#: Its pieces of Python.
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def first_cells(header: str) -> list[str]:
    """Return the first cells of the table that begins with a header."""
    (table,) = re.findall(
        rf"^\| {header} \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE
    )
    return [row.split("|")[1].strip(" `") for row in table.splitlines()]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Kind", list(choices.KINDS)),
        ("Rule", list(choices.OVERLAPS)),
        ("Verdict", [str(verdict.label) for verdict in Verdict]),
    ],
)
def test_the_tables_name_all_that_there_is(header: str, expected: list[str]) -> None:
    assert first_cells(header) == expected


@pytest.mark.parametrize(
    "said",
    [
        f"{misfire.MOST_LISTED:,} rows at most",
        f"{pace.JOBS_A_SECOND} jobs a second",
        f"kept for {Config.model_fields['taskyard_fire_days'].default} days",
        f"the last {fire_reports.STRIP} as a strip",
        f"{timeline.LANES} lanes",
        f"more than {timeline.MARKS} runs",
        f"first {backfill.MOST_LISTED} and",
        f"may have {backfill.MOST_MOMENTS:,}",
        f"`misfire_most` ({Schedule._meta.get_field('misfire_most').default})",
        f"`grace` ({Schedule._meta.get_field('grace').default} s)",
    ],
)
def test_the_figures_are_those_of_the_code(said: str) -> None:
    assert said in " ".join(TEXT.split())


def test_a_minute_makes_overdue() -> None:
    assert timedelta(minutes=1) == OVERDUE_AFTER
    assert "passed over a minute ago" in TEXT


def test_the_code_declares_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Registry()
    monkeypatch.setattr("tasks.registry.registry", own)
    declaring, _receiving = CODE
    exec(declaring, {"__name__": "shop"})  # noqa: S102 - the document's own code
    own.check()
    found = {one.name: one.rule().kind for task in own for one in task.schedules}
    assert found == {"shop.send_report": "cron", "poll": "every", "poll all": "cron"}


def test_the_receiver_tells_what_it_says(
    mailoutbox: list[EmailMessage], settings: Any
) -> None:
    settings.ADMINS = [("Mara", "mara@example.com")]
    _declaring, receiving = CODE
    names: dict[str, Any] = {}
    exec(receiving, names)  # noqa: S102 - the document's own code
    facts = {"due_at": NOW, "overdue_for": timedelta(seconds=61)}
    schedule_overdue.send(Schedule, schedule="nightly", **facts)
    schedule_overdue.disconnect(names["tell_admins"])
    (mail,) = mailoutbox
    assert "nightly is overdue" in mail.subject
    assert "late by 0:01:01" in mail.body


@pytest.mark.django_db(transaction=True)
def test_the_commands_work_as_they_are_written() -> None:
    (lines,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    told = ""
    for line in lines.splitlines():
        out = StringIO()
        call_command(*shlex.split(line.partition("manage.py ")[2]), stdout=out)
        told += out.getvalue()
    assert "expression: 0 9 * * 1-5" in told
    assert told.count("2026-03-0") >= 5
    assert not Schedule.objects.exists()
