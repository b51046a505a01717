"""Crontabs read for tests."""

from __future__ import annotations

from textwrap import dedent

from tasks.schedules.crontab import Entry, read_crontab
from tasks.schedules.problems import Problem


def read(
    text: str, *, system: bool = False, zone: str = "UTC"
) -> list[Entry | Problem]:
    return read_crontab(dedent(text).lstrip("\n"), system=system, zone=zone)


def entry(text: str, *, system: bool = False, zone: str = "UTC") -> Entry:
    (found,) = read(text, system=system, zone=zone)
    assert isinstance(found, Entry), found
    return found


def problem(text: str, *, system: bool = False) -> str:
    (found,) = read(text, system=system)
    assert isinstance(found, Problem), found
    return found.reason
