from __future__ import annotations

import pytest

from tasks.broker import keys, logs
from tasks.broker.logs import read_attempt_log, read_log, tail_log
from tests.engine import client


def write(*lines: str, attempt: str = "e1") -> None:
    for line in lines:
        entry = {"exec": attempt, "at": "1767225600.5", "line": line}
        client().xadd(keys.log("a"), entry)


def test_lines_come_oldest_first_with_their_attempt() -> None:
    write("one", "two")
    lines = read_log("a")
    assert [(line.line, line.attempt_id) for line in lines] == [
        ("one", "e1"),
        ("two", "e1"),
    ]
    assert str(lines[0]) == "00:00:00.500 one"


def test_reading_goes_on_after_a_line() -> None:
    write("one", "two", "three")
    first = read_log("a", limit=1)[0]
    assert [line.line for line in read_log("a", after=first.id)] == ["two", "three"]


def test_the_tail_is_the_last_lines_oldest_first() -> None:
    write("one", "two", "three")
    assert [line.line for line in tail_log("a", limit=2)] == ["two", "three"]


def test_an_attempt_s_log_has_its_own_lines_only() -> None:
    write("first try", attempt="e1")
    write("second try", attempt="e2")
    assert read_attempt_log("a", "e2") == "00:00:00.500 second try\n"


def test_an_attempt_s_log_is_read_whole() -> None:
    write(*(str(number) for number in range(2_500)))
    assert read_attempt_log("a", "e1").count("\n") == 2_500


def test_reading_ends_when_enough_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "KEPT", 100)
    write(*("x" * 90 for _ in range(2_000)))
    assert read_attempt_log("a", "e1").count("\n") == 1_000


def test_no_log_is_an_empty_one() -> None:
    assert read_log("gone") == []
    assert read_attempt_log("gone", "e1") == ""


def test_bytes_that_are_no_text_and_nul_can_be_kept() -> None:
    entry = {"exec": "e1", "at": "0", "line": b"\xff \x00 end"}
    client().xadd(keys.log("a"), entry)
    assert read_attempt_log("a", "e1") == "00:00:00.000 �  end\n"
