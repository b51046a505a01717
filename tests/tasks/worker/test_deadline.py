from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import pytest

from tasks.worker.calls import JobTimedOut
from tasks.worker.deadline import deadline


def work_for(seconds: float) -> None:
    """Take steps of Python, as most code does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.005)


def here(call: Callable[[], None]) -> None:
    call()


def elsewhere(call: Callable[[], None]) -> None:
    """Call in another thread and raise what was raised there."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for error in raised:
        raise error


places = pytest.mark.parametrize("place", [here, elsewhere])


@places
def test_it_ends_what_takes_too_long(place: Callable[..., None]) -> None:
    def late() -> None:
        with deadline(0.05):
            work_for(60)

    started = time.monotonic()
    with pytest.raises(JobTimedOut, match="its timeout of 0\\.05 s"):
        place(late)
    assert time.monotonic() - started < 60


@places
def test_what_is_in_time_is_left_alone_for_good(place: Callable[..., None]) -> None:
    def early() -> None:
        with deadline(0.05):
            pass
        work_for(0.15)

    place(early)


@places
@pytest.mark.parametrize("seconds", [None, 0, -1])
def test_no_deadline(place: Callable[..., None], seconds: float | None) -> None:
    def free() -> None:
        with deadline(seconds):
            work_for(0.02)

    place(free)


@places
def test_other_errors_pass(place: Callable[..., None]) -> None:
    def broken() -> None:
        with deadline(1):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        place(broken)


def test_code_that_catches_every_exception_is_ended_too() -> None:
    def stubborn() -> None:
        with deadline(0.05):
            while True:
                with contextlib.suppress(Exception):
                    work_for(1)

    with pytest.raises(JobTimedOut):
        elsewhere(stubborn)
