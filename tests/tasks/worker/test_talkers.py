"""Coroutines that write more than they may; functions: test_child_limits.py."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.worker.limits import Limits
from tests import hogs
from tests.engine import events, push_job, status
from tests.tasks.worker.running import run_until


def push_talker(name: str, **kwargs: Any) -> None:
    talker = getattr(hogs, name).task
    push_job("a", task=talker.name, path=talker.path, kind="async", kwargs=kwargs)


def ended() -> bool:
    return status("a") in ("finished", "failed")


def end() -> Any:
    return next(event for event in events() if event.kind in ("finished", "failed"))


@pytest.mark.parametrize("name", ["talk_async", "talk_in_thread", "talk_to_the_end"])
def test_a_coroutine_that_talks_too_much_fails(name: str) -> None:
    push_talker(name)
    run_until(ended)
    expected = "the task wrote more than 64 KB of output, its limit"
    assert (end()["error"], end()["message"]) == ("OutputExceeded", expected)


def test_a_coroutine_may_write_as_much_as_its_limit() -> None:
    push_talker("talk_enough")
    run_until(ended)
    assert end().kind == "finished"


def test_the_worker_limits_tasks_that_name_no_limit() -> None:
    push_talker("talk_freely", size=11)
    run_until(ended, limits=Limits(output=10))
    assert end()["error"] == "OutputExceeded"
