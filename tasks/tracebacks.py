"""A traceback cut into what is the task's own and what is a library's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

_FRAME = re.compile(r'^  File "(?P<path>.*)", line \d+')

#: Parts of a path that make a frame a library's, or the engine's own.
_FOLDED = (
    "/site-packages/",
    "/dist-packages/",
    "/lib/python3",
    "<frozen ",
    "/tasks/worker/",
    "/tasks/registry.py",
    "/tasks/signature.py",
)


@dataclass(frozen=True)
class Section:
    """Consecutive lines of one kind: "own", "library" (`frames` of them) or "text"."""

    kind: str
    text: str
    frames: int = 0


def split_traceback(traceback: str) -> list[Section]:
    """Cut a traceback into sections; the innermost frame is never a library's."""
    blocks = list(_blocks(traceback.splitlines()))
    frames = [number for number, block in enumerate(blocks) if _FRAME.match(block[0])]
    innermost = frames[-1] if frames else None
    kinds = [
        "own" if number == innermost else _kind(block[0])
        for number, block in enumerate(blocks)
    ]
    pairs = zip(kinds, blocks, strict=True)
    return [_section(kind, group) for kind, group in groupby(pairs, lambda p: p[0])]


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lines:
        starts = _FRAME.match(line) or not line.startswith("    ")
        if starts and block:
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _kind(line: str) -> str:
    frame = _FRAME.match(line)
    if frame is None:
        return "text"
    path = frame["path"].replace("\\", "/")
    return "library" if any(part in path for part in _FOLDED) else "own"


def _section(kind: str, group: Iterator[tuple[str, list[str]]]) -> Section:
    blocks = [block for _kind, block in group]
    text = "\n".join("\n".join(block) for block in blocks)
    return Section(kind, text, len(blocks) if kind == "library" else 0)
