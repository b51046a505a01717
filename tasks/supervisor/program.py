"""What the supervisor runs, and how it says that one of them ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tasks.text import gettext as _

#: Seconds a process may take to end after SIGTERM.
DEFAULT_GRACE = 5.0


@dataclass(frozen=True)
class Program:
    """One process to keep running."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Written to its standard input, which then ends: the place for a secret.
    stdin: bytes = field(default=b"", repr=False)
    #: Seconds from SIGTERM to SIGKILL.
    grace: float = DEFAULT_GRACE
    #: Programs of one stage are stopped together, those of the highest stage first.
    stage: int = 0
    #: Told, in a thread, of each process of it that has ended, by the name of its start.
    ended: Callable[[str], object] | None = None
    #: Lines that contain one of these say nothing to a user and are not shown.
    hidden: tuple[str, ...] = ()


def describe_ending(code: int) -> str:
    """Return in words how a process ended; negative codes are signals."""
    if code >= 0:
        return _("ended with exit code %(code)s") % {"code": code}
    try:
        name = signal.Signals(-code).name
    except ValueError:  # real-time signals have no name
        name = str(-code)
    return _("was ended by %(signal)s") % {"signal": name}
