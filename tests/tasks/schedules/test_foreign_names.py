from __future__ import annotations

from typing import Any

import pytest

from tasks.schedules.foreign import Found
from tasks.schedules.foreign_names import plain_name, with_names
from tasks.schedules.limits import SCHEDULE_NAME
from tests.timetable import create_schedule

pytestmark = pytest.mark.django_db


def found(name: str, **definition: Any) -> Found:
    plain = {"task": "tests.sample.add", "args": [], "kwargs": {"a": 1}}
    return Found("line 1", {"name": name, **plain, **definition})


def names(*entries: Found) -> list[str]:
    given = [one.definition for one in with_names(entries)]
    return [one["name"] for one in given if one is not None]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("nightly: backup (all)", "nightly backup all"),
        ("rq:job:a/b", "rq job a b"),
        ("--- x ---", "x ---"),
        (".hidden", "hidden"),
        ("每晚备份", "每晚备份"),
        ("a\nb\tc\0d", "a b c d"),
        ("😀 x 😀", "x"),
        ("x" * 300, "x" * 192),
        ("x" * 191 + " y", "x" * 191),
        ("()", "imported"),
        ("", "imported"),
    ],
)
def test_a_name_is_one_that_schedules_may_have(given: str, name: str) -> None:
    assert plain_name(given) == name
    assert SCHEDULE_NAME.match(name)


def test_one_that_had_to_be_changed_is_told() -> None:
    same, other = with_names([found("sums"), found("sums: all")])
    assert same.notes == ()
    assert other.notes == (
        "“sums: all” cannot be its name here, or is that of another schedule.",
    )


def test_what_is_no_definition_stays_as_it_is() -> None:
    problem = Found("line 1", problem="it has no command")
    assert with_names([problem]) == [problem]


def test_each_entry_has_a_name_of_its_own() -> None:
    entries = [found(name) for name in ("x", "x 2", "x", "x:", "x")]
    assert names(*entries) == ["x", "x 2", "x 3", "x 4", "x 5"]


def test_a_great_many_of_one_name_are_numbered_at_once() -> None:
    assert names(*[found("x")] * 50_000)[-1] == "x 50000"


def test_a_schedule_that_calls_something_else_keeps_its_name() -> None:
    create_schedule("sums", kwargs={"a": 2})
    create_schedule("sums 2", task="greet")
    assert names(found("sums")) == ["sums 3"]


def test_a_schedule_that_calls_the_same_is_that_entry() -> None:
    create_schedule("sums", kwargs={"a": 2})
    create_schedule("sums 2", kwargs={"a": 1})
    assert names(found("sums")) == ["sums 2"]
    assert names(found("other")) == ["other"]


def test_what_the_code_declares_is_no_entry() -> None:
    create_schedule("sums", declared={"task": "tests.sample.add"})
    assert names(found("sums")) == ["sums 2"]


def test_entries_in_another_order_have_the_same_names() -> None:
    entries = [found("x", kwargs={"a": number}) for number in range(4)]
    first = names(*entries)
    for name, one in zip(first, entries, strict=True):
        assert one.definition is not None
        create_schedule(name, kwargs=one.definition["kwargs"])
    assert names(*reversed(entries)) == first[::-1]


def test_two_that_call_the_same_keep_a_name_each() -> None:
    create_schedule("x")
    create_schedule("x 2")
    assert names(found("x"), found("x"), found("x")) == ["x", "x 2", "x 3"]


def test_many_that_call_the_same_keep_theirs() -> None:
    entries = [found("x") for _number in range(12)]
    first = names(*entries)
    for name in first:
        create_schedule(name)
    assert names(*entries) == first
