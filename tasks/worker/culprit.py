"""Who keeps the worker's loop: the job, or other work, and where in its code it is."""

from __future__ import annotations

import asyncio
import itertools
import os
import selectors
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tasks.worker.attempt import Running

#: Frames of the worker and of asyncio, between the program's start and a task's code.
_MACHINERY = (
    f"{Path(__file__).parent}{os.sep}",
    f"{Path(asyncio.__file__).parent}{os.sep}",
    selectors.__file__,
)


@dataclass(frozen=True)
class Culprit:
    """What runs on a loop that does not come round."""

    #: None where it is no job's own coroutine: a task that one started, or a callback.
    running: Running | None
    frames: traceback.StackSummary

    @property
    def name(self) -> str:
        if self.running is None:
            return self.frames[0].name if self.frames else "?"
        return f"{self.running.context.task} ({self.running.job.id})"

    @property
    def stack(self) -> str:
        return "".join(self.frames.format())


def find_culprit(
    loop: asyncio.AbstractEventLoop, thread: int, jobs: Iterable[Running]
) -> Culprit | None:
    """Return what `loop` runs just now in its thread; None where it only waits."""
    frames = _code_of(thread)
    task = asyncio.current_task(loop)
    if task is None and not frames:
        return None
    running = next((running for running in jobs if running.task is task), None)
    return Culprit(running, frames)


def _code_of(thread: int) -> traceback.StackSummary:
    """Return the frames of a thread, outermost first, that come after the machinery."""
    stack = traceback.extract_stack(sys._current_frames().get(thread))
    started = itertools.dropwhile(lambda frame: not _is_machinery(frame), stack)
    frames = itertools.dropwhile(_is_machinery, started)
    return traceback.StackSummary.from_list(list(frames))


def _is_machinery(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_MACHINERY)
