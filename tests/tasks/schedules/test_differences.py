from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tasks.schedules.differences import Change, diff
from tasks.schedules.documents import dump, load

NINE = datetime(2026, 1, 31, 1, tzinfo=UTC)

NIGHTLY: dict[str, Any] = {
    "name": "nightly",
    "task": "report",
    "args": [1],
    "kwargs": {"b": 1, "a": "text"},
    "kind": "cron",
    "expression": "0 9 * * *",
    "every": None,
    "starts_at": NINE,
    "jitter": 60.0,
    "enabled": True,
}


def test_what_is_not_there_is_created_with_all_its_fields() -> None:
    found = diff([], [{"name": "a", "task": "t", "starts_at": NINE}])
    fields = {"task": (None, "t"), "starts_at": (None, "2026-01-31T01:00:00+00:00")}
    assert found.changes == (Change("create", "a", fields),)
    assert found.lines() == [
        "+ a",
        "    task: t",
        "    starts_at: 2026-01-31T01:00:00+00:00",
    ]


def test_a_document_of_what_is_there_changes_nothing() -> None:
    found = diff([NIGHTLY], load(dump([NIGHTLY])))
    assert found.changes == (Change("same", "nightly"),)
    assert not found
    assert found.lines() == ["= nightly"]


def test_equal_values_are_the_same_however_they_are_written() -> None:
    wanted = {
        "name": "nightly",
        "kwargs": {"a": "text", "b": 1},
        "starts_at": NINE.astimezone(ZoneInfo("Asia/Shanghai")),
        "jitter": 60,
    }
    assert not diff([NIGHTLY], [wanted])
    assert not diff([{**NIGHTLY, "jitter": timedelta(minutes=1)}], [wanted])


def test_fields_that_change_are_shown_old_and_new() -> None:
    wanted = {"name": "nightly", "expression": "0 10 * * *", "args": [1.5, "ä"]}
    found = diff([NIGHTLY], [wanted])
    assert found.count("change") == 1
    assert found
    assert found.lines() == [
        "~ nightly",
        '    args: [1] → [1.5, "ä"]',
        "    expression: 0 9 * * * → 0 10 * * *",
    ]


def test_fields_that_are_not_named_stay() -> None:
    assert not diff([NIGHTLY], [{"name": "nightly"}])


def test_true_is_not_1_and_1_is_not_text() -> None:
    present = {"name": "a", "kwargs": {"x": 1}}
    for other in (True, "1", None):
        assert diff([present], [{"name": "a", "kwargs": {"x": other}}])


def test_a_value_may_be_taken_away() -> None:
    found = diff([NIGHTLY], [{"name": "nightly", "starts_at": None}])
    assert found.lines()[1] == "    starts_at: 2026-01-31T01:00:00+00:00 → null"


def test_what_no_document_names_goes_only_when_pruning() -> None:
    present = [NIGHTLY, {"name": "b"}, {"name": "a"}]
    assert not diff(present, [{"name": "nightly"}])
    found = diff(present, [{"name": "nightly"}], prune=True)
    assert found.lines() == ["= nightly", "- a", "- b"]
    assert found.count("delete") == 2


def test_the_rule_of_another_kind_says_nothing() -> None:
    wanted = {"name": "nightly", "kind": "every", "every": 30, "expression": "x"}
    fields = diff([NIGHTLY], [wanted]).changes[0].fields
    assert fields == {"kind": ("cron", "every"), "every": (None, 30)}


def test_long_values_are_cut_in_lines_only() -> None:
    found = diff([], [{"name": "a", "task": "x" * 300}])
    assert found.lines()[1] == f"    task: {'x' * 200}…"
    assert found.changes[0].fields["task"] == (None, "x" * 300)
