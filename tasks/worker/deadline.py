"""An end to blocking code: an error raised in its thread when its time is over."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from tasks.worker.calls import JobTimedOut

#: Seconds of grace that a function gets to end by itself after its timeout was raised.
LAST_WORDS = 3


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise JobTimedOut in the block after `seconds`; None and negative ones are none.

    In a main thread a signal breaks into whatever waits. Elsewhere the error comes
    between two steps of Python: a call that blocks for longer ends first.
    """
    if not seconds or seconds < 0:
        yield
    elif threading.current_thread() is threading.main_thread():
        with _alarm(seconds):
            yield
    else:
        with _Watch(seconds):
            yield


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def expire(number: int, frame: FrameType | None) -> None:
        raise JobTimedOut(seconds)

    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Expired(BaseException):
    """Raised in another thread: its code need not know of it."""


class _Watch:
    """Raises in the thread that entered it, unless it has been left before."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._left = False
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        try:
            with self._lock:
                self._left = True
            self._timer.cancel()
        except _Expired as late:
            error = late
        if isinstance(error, _Expired):
            raise JobTimedOut(self._seconds) from None

    def _expire(self) -> None:
        with self._lock:
            if not self._left:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(_Expired)
                )
