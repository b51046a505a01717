"""The points at which an act can be cut off, and what is left of it at each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.faults.crashes.world import World, Worlds
from benchmarks.faults.proxy import Proxy
from benchmarks.faults.resp import Command
from benchmarks.faults.yard import Yard
from benchmarks.harness import wait_until
from tasks.broker.scripts import FOLDER, script

#: Seconds that one process may take to do its part.
PATIENCE = 60

#: What every child has imported, Django and all: the forks have it for nothing.
PRELOADED = ["benchmarks.faults.crashes.execution"]

REDIS, SQL = "Redis", "SQL"

#: Times that an act is done to see its commands: the fewest are always there, while a
#: slow process may ask again how full Redis is.
REHEARSALS = 2

#: How commands begin that change nothing: what is left is the same before and after.
READS = (
    "HELLO",
    "CLIENT",
    "SELECT",
    "INFO",
    "TIME",
    "GET",
    "HGET",
    "HMGET",
    "EXISTS",
    "LRANGE",
    "SCRIPT LOAD",
    "SMEMBERS",
    "SSCAN",
    "XINFO",
    "XRANGE",
    "ZRANGE",
    "ZSCAN",
    "EVALSHA look",
    "WITH RECURSIVE",
)


@dataclass(frozen=True)
class Point:
    """One command of an act: the process dies right before it, or right after."""

    act: str
    kind: str
    at: int
    reached: bool
    command: str

    @property
    def is_singular(self) -> bool:
        """Whether no other point leaves the same behind."""
        is_first = self.kind == REDIS and self.at == 1 and not self.reached
        return is_first or (self.reached and not self.command.startswith(READS))

    def __str__(self) -> str:
        when = "after" if self.reached else "before"
        return f"{self.act}: {when} {self.kind} command {self.at}, {self.command}"


@dataclass
class Crash:
    """What a killed process has left behind."""

    point: Point
    world: World
    at: float = field(default_factory=time.monotonic)
    #: What is wrong, as far as was seen.
    wrong: list[str] = field(default_factory=list)


class ActFailed(Exception):
    """Raised when a child raised something; the text is its traceback."""


class Laboratory:
    """Crashes acts in children, each in a world of its own."""

    def __init__(self, yard: Yard, proxy: Proxy) -> None:
        self.worlds = Worlds(yard)
        self._yard, self._proxy = yard, proxy
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        #: The world in which each act begins, and what its `prepare` returned.
        self._scenes: dict[str, tuple[World, Any]] = {}
        self._scripts = {script(path.stem).sha: path.stem for path in _scripts()}

    def points(self, act: str) -> list[Point]:
        """Return where the act can be cut off: it is done some times, undisturbed."""
        scene = self.worlds.make()
        self._scenes[act] = scene, self._ask("prepare", scene, act)
        seen = [self._rehearse(act) for _time in range(REHEARSALS)]
        return [
            Point(act, kind, number, reached, command)
            for kind in (REDIS, SQL)
            for number, command in enumerate(
                min((commands[kind] for commands in seen), key=len), start=1
            )
            for reached in (False, True)
        ]

    def _rehearse(self, act: str) -> dict[str, list[str]]:
        """Return the commands of an act that is not disturbed."""
        scene, given = self._scenes[act]
        world = self.worlds.make(scene)
        self._forget_scripts()
        url = world.through(self._proxy.url)
        statements = self._ask("perform", world, act, given, url, None)
        commands = [self._name(command) for command in self._proxy.seen]
        self.worlds.remove(world)
        return {REDIS: commands, SQL: statements}

    def crash(self, point: Point) -> Crash:
        """Do the act again in another world, up to the point."""
        scene, given = self._scenes[point.act]
        world = self.worlds.make(scene)
        self._forget_scripts()
        cut = (point.at, point.reached) if point.kind == SQL else None
        url = world.through(self._proxy.url)
        process, _answer = self._child("perform", world, point.act, given, url, cut)
        if point.kind == REDIS:
            self._proxy.cut_after(
                point.at, reached=point.reached, then=lambda: _kill(process)
            )
        process.start()
        process.join(PATIENCE)
        self._proxy.forget()
        crash = Crash(point, world)
        if process.exitcode != -signal.SIGKILL:
            crash.wrong.append(f"it was not killed: exit code {process.exitcode}")
        return crash

    def put_right(self, crash: Crash) -> list[str]:
        """Let the ordinary processes act; returns what is wrong then."""
        found: list[str] = self._ask("put_right", crash.world, crash.point.act)
        return found

    def _ask(self, function: str, *args: Any) -> Any:
        """Have a child do something, and return what it returned."""
        process, answer = self._child(function, *args)
        process.start()
        if not answer.poll(PATIENCE):
            process.kill()
            raise ActFailed(f"{function}: no answer within {PATIENCE} s")
        ok, value = answer.recv()
        process.join()
        if not ok:
            raise ActFailed(value)
        return value

    def _child(self, function: str, *args: Any) -> tuple[BaseProcess, Any]:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_run, args=(theirs, function, *args))
        return process, ours

    def _forget_scripts(self) -> None:
        """Have the act meet a Redis that does not know its scripts."""
        self._yard.redis.script_flush()
        self._proxy.forget()

    def _name(self, command: Command) -> str:
        if command.name == "EVALSHA":
            return f"EVALSHA {self._scripts.get(command.argument, command.argument)}"
        return f"{command.name} {command.argument[:40]}".replace("\n", " ")


def _scripts() -> list[Any]:
    return [path for path in FOLDER.glob("*.lua") if path.stem != "common"]


def _run(*args: Any) -> None:
    # Imported there only: it sets Django up for the child.
    from benchmarks.faults.crashes import execution

    execution.tell(*args)


def _kill(process: BaseProcess) -> None:
    wait_until(lambda: process.pid is not None, "the child's start")
    os.kill(process.pid or 0, signal.SIGKILL)
