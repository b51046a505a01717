from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tasks.worker import context
from tasks.worker.context import LOG_LINE_LIMIT, JobContext, current_job, enter_job


class Heard(list[tuple[str, dict[str, Any]]]):
    def __call__(self, kind: str, fields: dict[str, Any]) -> None:
        self.append((kind, fields))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(context.time, "monotonic", lambda: now[0])
    return now


def test_outside_a_worker_words_go_nowhere() -> None:
    job = current_job()
    job.progress(1, 2)
    job.log("hello")
    assert (job.id, job.seconds_left()) == ("", None)


def test_progress_is_passed_on_ten_times_a_second(clock: list[float]) -> None:
    heard = Heard()
    job = JobContext(id="a", sink=heard)
    for moment in (100.0, 100.05, 100.09, 100.11, 100.2, 100.22):
        clock[0] = moment
        job.progress(moment, 200)
    assert [fields["done"] for _kind, fields in heard] == [100.0, 100.11, 100.22]


def test_the_last_word_is_always_passed_on(clock: list[float]) -> None:
    heard = Heard()
    job = JobContext(id="a", sink=heard)
    job.progress(1, 2)
    job.progress(2, 2, "done")
    assert heard[-1] == ("progress", {"done": 2, "total": 2, "text": "done"})


def test_texts_are_cut() -> None:
    heard = Heard()
    job = JobContext(id="a", sink=heard)
    job.progress(1, 2, "x" * 500)
    job.log("y" * 10_000)
    assert len(heard[0][1]["text"]) == 200
    assert len(heard[1][1]["line"]) == LOG_LINE_LIMIT


@pytest.fixture
def short_logs(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return partial(monkeypatch.setattr, context, "LOG_LIMIT")


def test_a_log_is_cut_where_it_becomes_too_long(
    short_logs: Callable[[int], None],
) -> None:
    short_logs(1024)
    heard = Heard()
    job = JobContext(id="a", sink=heard)
    for letter in "xyz":
        job.log(letter * 500)
    job.log("after")
    assert [fields["line"] for _kind, fields in heard] == [
        "x" * 500,
        "y" * 500,
        "The log is cut here: it passed 1 KB.",
    ]


def test_a_log_is_measured_in_bytes_and_an_empty_line_is_one(
    short_logs: Callable[[int], None],
) -> None:
    short_logs(10)
    heard = Heard()
    job = JobContext(id="a", sink=heard)
    job.log("字字字")
    assert len(heard) == 1
    job.log("")
    assert heard[-1][1]["line"].startswith("The log is cut")


def test_who_writes_too_much_is_told_of_once_and_in_bytes() -> None:
    told: list[int] = []
    job = JobContext(output=10, exceeded=lambda: told.append(1))
    job.log("字字字")
    assert told == []
    job.log("字")
    job.log("x")
    assert told == [1]


def test_output_is_counted_beyond_what_is_kept_of_the_log(
    short_logs: Callable[[int], None],
) -> None:
    short_logs(10)
    told: list[int] = []
    job = JobContext(output=100, exceeded=lambda: told.append(1))
    for _number in range(10):
        job.log("x" * 10)
    assert told == []
    job.log("x")
    assert told == [1]


def test_without_a_limit_output_is_not_counted() -> None:
    told: list[int] = []
    job = JobContext(exceeded=lambda: told.append(1))
    job.log("x" * 100_000)
    assert told == []


def test_the_deadline_comes_nearer() -> None:
    job = JobContext(deadline=time.time() + 60)
    left = job.seconds_left()
    assert left is not None
    assert 59 < left <= 60


def test_the_current_job_is_the_one_that_was_entered() -> None:
    enter_job(JobContext(id="a"))
    assert current_job().id == "a"
    enter_job(JobContext())
    assert current_job().id == ""
