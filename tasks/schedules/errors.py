"""What can go wrong with backfills; the other errors are in `tasks.errors`."""

from __future__ import annotations

from tasks.errors import TasksError
from tasks.text import gettext as _


class BackfillNotFound(TasksError):
    """Raised when no backfill has that number."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(_("There is no backfill %(number)s.") % {"number": number})


class BackfillOver(TasksError):
    """Raised when a backfill that has ended is to be changed."""

    def __init__(self, number: int, state: str) -> None:
        self.number = number
        self.state = state
        text = _("Backfill %(number)s is %(state)s already: make another one.")
        super().__init__(text % {"number": number, "state": state})
