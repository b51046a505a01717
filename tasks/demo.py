"""A living board for the first look: the built-in tasks on the project's own files."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tasks.conf import PROJECT_ROOT
from tasks.models import Job
from tasks.policy import Actor
from tasks.submission import Handle, submit

#: The queues that the demo uses, by falling priority.
QUEUES = ("checks", "reports", "backups")

#: So many jobs may wait before the demo holds back.
MOST_WAITING = 20

#: So many files are kept in each of the demo's own folders.
MOST_FILES = 3

#: The demo's log begins anew when it is larger than so many bytes.
LOG_LIMIT = 1024 * 1024

#: The size of the demo's long log: its digest takes some seconds, and is seen running.
LONG_LOG = 48 * 1024 * 1024

#: Seconds between two submissions: at first for somebody who watches, later for days.
LIVELY_PAUSE, QUIET_PAUSE = (0.5, 3.0), (15.0, 45.0)

#: Seconds after which the demo becomes quiet.
LIVELY_FOR = 600.0

ACTOR = Actor("demo", "demo")


@dataclass(frozen=True)
class Recipe:
    """One call that the demo makes; `then` depends on it, whatever becomes of it."""

    task: str
    args: Mapping[str, Any]
    queue: str
    options: Mapping[str, Any] = field(default_factory=dict)
    then: Recipe | None = None


def recipes(folder: Path, page: str, *, commands: bool) -> list[Recipe]:
    """Return what the demo does in its own `folder` and on the pages at `page`."""
    checks, reports, backups = QUEUES
    log, venv, missing = folder / "demo.log", Path(sys.prefix), folder / "missing"
    read_log = Recipe("digest_file", {"path": str(log)}, reports)
    read_long = Recipe("digest_file", {"path": str(folder / "long.log")}, reports)
    copies = Recipe("checksums", {"path": str(folder / "backups")}, reports)
    listed = {"path": str(PROJECT_ROOT / "tasks"), "report": str(folder / "reports")}
    made = [
        Recipe("check_url", {"url": f"{page}/"}, checks),
        Recipe("check_url", {"url": f"{page}/healthz"}, checks, {"tags": ["health"]}),
        Recipe("check_url", {"url": f"{page}/healthz"}, checks, {"delay": 30}),
        Recipe("checksums", {"path": str(venv)}, reports, {"tags": ["large"]}),
        Recipe("checksums", {"path": sysconfig.get_path("stdlib")}, reports),
        read_long,
        read_long,
        Recipe("checksums", listed, reports, then=read_log),
        Recipe("checksums", {"path": str(PROJECT_ROOT / "static")}, reports),
        Recipe("backup_database", {"folder": str(folder / "backups")}, backups),
        Recipe(
            "backup_database", {"folder": str(folder / "backups")}, backups, then=copies
        ),
        read_log,
        Recipe("digest_file", {"path": str(PROJECT_ROOT / "README.md")}, reports),
        # These fail, each for a reason that its page must explain.
        Recipe("checksums", {"path": str(missing)}, reports, then=read_log),
        Recipe("check_url", {"url": "http://dead.invalid/"}, checks, {"retries": 1}),
        Recipe("check_url", {"url": f"{page}/", "expect_text": "Sold out"}, checks),
    ]
    if commands:
        made.append(Recipe("run_command", {"command": ["uptime"]}, checks))
    return made


def write_long_log(folder: Path, size: int = LONG_LOG) -> None:
    """Write the demo's long log, unless it is there: a day of requests, one a line."""
    path = folder / "long.log"
    if path.exists() and path.stat().st_size >= size:
        return
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(1)  # noqa: S311 - the same log each time
    with path.open("w") as log:
        while log.tell() < size:
            level = random.choice(("INFO", "INFO", "INFO", "WARNING", "ERROR"))
            clock = f"{random.randrange(24):02d}:{random.randrange(60):02d}"
            took = random.lognormvariate(3, 1)
            log.write(
                f"2026-01-01 {clock}:00 {level} request took {took:.1f} ms\n" * 20
            )


def count_waiting() -> int:
    return Job.objects.waiting().count()


@dataclass
class Demo:
    """Submits one recipe after the other, never more than can wait."""

    folder: Path
    recipes: list[Recipe]
    #: Seconds since the demo began.
    clock: Callable[[], float]
    random: Random = field(default_factory=Random)
    submit: Callable[..., Handle] = submit
    waiting: Callable[[], int] = count_waiting
    _planned: Iterator[Recipe] = field(default_factory=lambda: iter(()), init=False)

    def step(self) -> float:
        """Submit the next recipe if there is room; return the seconds to pause."""
        for name in ("backups", "reports"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            keep_newest(self.folder / name)
        if self.waiting() < MOST_WAITING:
            self._follow(self._next_recipe())
        lively = self.clock() < LIVELY_FOR
        return self.random.uniform(*(LIVELY_PAUSE if lively else QUIET_PAUSE))

    def _next_recipe(self) -> Recipe:
        """Return each recipe once before any comes again, in any order."""
        found = next(self._planned, None)
        if found is None:
            planned = self.random.sample(self.recipes, len(self.recipes))
            self._planned = iter(planned)
            found = next(self._planned)
        return found

    def _follow(self, recipe: Recipe, *parents: Handle) -> None:
        options: dict[str, Any] = {**recipe.options, "queue": recipe.queue}
        if parents:
            options |= {"depends_on": parents, "allow_failure": True}
        job = self.submit(recipe.task, recipe.args, actor=ACTOR, **options)
        self._log(f"INFO submitted {recipe.task} to {recipe.queue} as {job.id}")
        if recipe.then:
            self._follow(recipe.then, job)

    def _log(self, line: str) -> None:
        path = self.folder / "demo.log"
        full = path.exists() and path.stat().st_size > LOG_LIMIT
        with path.open("w" if full else "a") as log:
            log.write(f"{self.clock():.3f} {line}\n")


def keep_newest(folder: Path, most: int = MOST_FILES) -> None:
    """Delete all but the newest files of a folder that is the demo's own."""
    files = [path for path in folder.iterdir() if path.is_file()]
    for path in sorted(files, key=lambda p: p.stat().st_mtime, reverse=True)[most:]:
        path.unlink(missing_ok=True)
