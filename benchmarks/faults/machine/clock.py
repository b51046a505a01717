"""A clock for the scripts that stands still until it is told to go on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.broker import scripts
from tasks.broker.client import get_client

#: What the scripts ask for the time, and what they ask instead.
REAL, INJECTED = "call('TIME')", "call('LRANGE', 'faults:clock', 0, 1)"
KEY = "faults:clock"


class Clock:
    """The time that the scripts see; its beginning is now."""

    def __init__(self) -> None:
        self.now = 0.0

    def start(self) -> None:
        """Begin anew, in an empty Redis."""
        self.now = float(int(time.time()))
        self._write()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self._write()

    def _write(self) -> None:
        client = get_client()
        client.delete(KEY)
        client.rpush(KEY, int(self.now), 0)


@contextmanager
def injected_clock(*changes: tuple[str, str]) -> Iterator[Clock]:
    """Have all scripts, as they are on disk but for their clock, go by a Clock.

    `changes` are pieces of their text and what stands there instead: they prove that an
    engine which is wrong is found out.
    """
    folder = scripts.FOLDER
    with TemporaryDirectory() as name:
        _copy(folder, Path(name), [(REAL, INJECTED), *changes])
        scripts.FOLDER = Path(name)
        scripts.script.cache_clear()
        try:
            yield Clock()
        finally:
            scripts.FOLDER = folder
            scripts.script.cache_clear()


def _copy(old: Path, new: Path, changes: Sequence[tuple[str, str]]) -> None:
    texts = {path.name: path.read_text() for path in old.glob("*.lua")}
    for text, instead in changes:
        if not any(text in script for script in texts.values()):
            raise ValueError(f"no script says {text}")
        texts = {name: found.replace(text, instead) for name, found in texts.items()}
    for name, found in texts.items():
        if "'TIME'" in found:
            raise ValueError(f"{name} asks for the time in another way")
        (new / name).write_text(found)
