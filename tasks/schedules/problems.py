"""What is wrong with one line of a file that people wrote."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.text import gettext as _


@dataclass(frozen=True)
class Problem:
    """The line, counted from 1, what is wrong with it, and what it says."""

    line: int
    reason: str
    text: str = ""

    def __str__(self) -> str:
        pattern = _("line %(line)s: %(reason)s")
        return pattern % {"line": self.line, "reason": self.reason}
