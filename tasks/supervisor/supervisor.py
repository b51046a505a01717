"""Several processes: kept running, and stopped stage by stage."""

from __future__ import annotations

import asyncio
import signal

from tasks.errors import ConfigurationError
from tasks.supervisor.child import Child
from tasks.supervisor.console import Console
from tasks.supervisor.program import Program
from tasks.text import gettext as _

#: What asks for the end; a closed terminal sends SIGHUP.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Seconds within which a second signal is the first one's echo: the terminal sends it to
#: the whole group, and a wrapper such as timeout(1) or make passes it on as well.
ECHO = 0.3


class Supervisor:
    """Keeps every program running until somebody asks for the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._children: list[Child] = []
        self.stop_requested = asyncio.Event()
        self._asked_at = 0.0
        #: Whether somebody lost patience and had everything killed.
        self.was_killed = False

    def watch_signals(self) -> None:
        """Stop in order on the first signal, and kill everything on the second."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.request_stop)

    def request_stop(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self.stop_requested.is_set():
            self._console.write(_("Stopping in order; Ctrl-C again stops at once."))
            self._asked_at = now
            self.stop_requested.set()
            return
        if now - self._asked_at < ECHO:
            return
        self.was_killed = True
        for child in self._children:
            child.kill()

    async def start(self, *programs: Program) -> None:
        """Start programs; raise ConfigurationError if one cannot be executed."""
        for program in programs:
            child = Child(program, self._console)
            try:
                await child.start()
            except OSError as error:
                raise ConfigurationError(
                    _("%(program)s cannot be executed: %(reason)s")
                    % {"program": program.command[0], "reason": error.strerror}
                ) from error
            self._children.append(child)

    def is_running(self, name: str) -> bool:
        """Say whether the process of that name runs now."""
        return any(c.program.name == name and c.pid for c in self._children)

    async def stop(self) -> None:
        """Stop the stages, the highest one first; those of one stage end together."""
        stages = {child.program.stage for child in self._children}
        for stage in sorted(stages, reverse=True):
            ending = [c for c in self._children if c.program.stage == stage]
            await asyncio.gather(*(child.stop() for child in ending))
