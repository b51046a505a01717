"""Files that were cut, mixed up or spoiled: each is read, or refused in words."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from tasks.errors import InvalidOption
from tasks.schedules.calendars import Days, read_calendar
from tasks.schedules.crontab import Entry, read_crontab
from tasks.schedules.documents import dump, load
from tasks.schedules.problems import Problem
from tests.tasks.schedules.test_crontab import DEBIAN
from tests.tasks.schedules.test_documents import NIGHTLY

FILES = Path(__file__).with_name("files")

TODAY = date(2026, 3, 10)

NUMBER = 150

#: What is put somewhere into a file.
SPOILS = (
    *(b"\xff", b"\0", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n", b"\t", b" ", b"%"),
    *(b"RRULE:FREQ=SECONDLY\r\n", b"RRULE:FREQ=YEARLY;COUNT=999999999\r\n"),
    *(b"DTSTART;VALUE=DATE:00010101\r\n", b"DTEND:99991231T235959Z\r\n"),
    *(b"DURATION:P9999999W\r\n", b"BEGIN:VEVENT\r\n", b"END:VCALENDAR\r\n"),
    *(b'"', b"'", b"[", b"{", b"]", b"}", b":", b"- ", b"&a ", b"*a", b"!!int ", b"|"),
    *(b"99999999999999999999", b"-1", b"1e999", b"NaN", b"null", b"* * * * *"),
)


def spoiled(data: bytes, seed: str) -> Iterator[bytes]:
    """Yield the file as accidents leave it, always the same."""
    chance = random.Random(seed)
    for _number in range(NUMBER):
        one = bytearray(data)
        for _change in range(chance.randint(1, 4)):
            at, to = sorted(chance.randrange(len(one) + 1) for _end in range(2))
            to = min(to, at + 200)
            match chance.randrange(4):
                case 0:
                    del one[at:to]
                case 1:
                    one[at:at] = chance.choice(SPOILS)
                case 2:
                    one[at:at] = one[at:to]
                case 3:
                    one[at:to] = chance.choice(SPOILS)
        yield bytes(one)


def accepted(read: Callable[[], object]) -> object | None:
    """Return what was read, None where it was refused in words."""
    found, said = None, "read"
    try:
        found = read()
    except InvalidOption as error:
        said = error.problem
    assert 0 < len(said) < 20_000
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_a_calendar_is_read_or_refused(name: str) -> None:
    for data in spoiled((FILES / name).read_bytes()[:20_000], name):
        days = accepted(lambda d=data: read_calendar(d, "cn scotland", TODAY))
        if isinstance(days, Days):
            again = Days.from_json(days.to_json())
            assert (again.off, again.work) == (days.off, days.work)


def test_a_document_is_read_or_refused() -> None:
    text = dump([NIGHTLY, {**NIGHTLY, "name": "other", "kind": "once"}]).encode()
    for data in spoiled(text, "document"):
        found = accepted(lambda d=data: load(d.decode("utf-8", "replace")))
        if isinstance(found, list):
            assert dump(load(dump(found))) == dump(found)


@pytest.mark.parametrize("system", [False, True])
def test_a_crontab_is_read_line_by_line(system: bool) -> None:
    for data in spoiled(DEBIAN.encode(), "crontab"):
        text = data.decode("utf-8", "surrogateescape")
        for one in read_crontab(text, system=system, zone="UTC"):
            assert isinstance(one, Entry | Problem)
            if isinstance(one, Entry):
                assert one.call["kwargs"]["command"]
