from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from tasks.worker.context import JobContext, enter_job
from tasks.worker.logs import JobLogHandler, PrintCapture, capture_logging


@pytest.fixture
def lines() -> Iterator[list[str]]:
    heard: list[str] = []
    enter_job(JobContext(id="a", sink=lambda _kind, said: heard.append(said["line"])))
    yield heard
    enter_job(JobContext())


@pytest.fixture
def _captured() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    capture_logging()
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("_captured")
def test_what_a_task_logs_is_in_its_log(lines: list[str]) -> None:
    logging.getLogger("shop").info("charged %s", 7)
    logging.getLogger("shop").warning("twice\nlines")
    assert lines == ["charged 7", "WARNING twice", "lines"]


@pytest.mark.usefixtures("_captured")
def test_debug_is_left_out(lines: list[str]) -> None:
    logging.getLogger("shop").debug("detail")
    assert lines == []


def test_what_is_logged_outside_a_job_is_nobody_s() -> None:
    heard: list[str] = []
    enter_job(JobContext(id="", sink=lambda _kind, said: heard.append(said["line"])))
    JobLogHandler().handle(logging.makeLogRecord({"msg": "x"}))
    assert heard == []


def test_a_record_that_cannot_be_written_does_not_end_the_task(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    JobLogHandler().handle(logging.makeLogRecord({"msg": "%d", "args": ("x",)}))
    assert lines == []


def test_what_a_task_prints_is_in_its_log_line_by_line(lines: list[str]) -> None:
    stream = io.StringIO()
    capture = PrintCapture(stream)
    print("one", file=capture)
    print("two", "three", end="", file=capture)
    assert lines == ["one"]
    print(file=capture)
    assert lines == ["one", "two three"]
    assert stream.getvalue() == ""
