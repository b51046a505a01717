"""The days that a calendar's file names, gathered with the limits that all files have."""

from __future__ import annotations

from datetime import date, timedelta

from tasks.errors import InvalidOption
from tasks.text import gettext as _

#: A calendar names days of these years; other dates are slips of the pen.
FIRST_YEAR, LAST_YEAR = 1970, 2100

#: So many days a calendar may name: thirty years without a single working day.
MOST_DAYS = 10_000

#: Days counted as often as a file names them, which bounds the work of reading it.
_MOST_NAMINGS = 10 * MOST_DAYS

_LONGEST_LABEL = 200


class Marks:
    """Days off and make-up working days, each with its label."""

    def __init__(self) -> None:
        self.off: dict[date, str] = {}
        self.work: dict[date, str] = {}
        self._namings = 0

    def add(self, first: date, days: int, label: str, *, works: bool) -> None:
        """Mark so many days from `first` on; what was marked keeps its label.

        Raises InvalidOption for days out of FIRST_YEAR to LAST_YEAR, and for too many.
        """
        self._count(days)
        _check_year(first)
        _check_year(first + timedelta(days=days - 1))
        marked = self.work if works else self.off
        for number in range(days):
            marked.setdefault(first + timedelta(days=number), clean_label(label))
        if len(self.off) + len(self.work) > MOST_DAYS:
            raise _too_many()

    def _count(self, namings: int) -> None:
        self._namings += namings
        if self._namings > _MOST_NAMINGS:
            raise _too_many()


def refusal(problem: str) -> InvalidOption:
    """Return the error for a calendar that cannot be read."""
    return InvalidOption("calendar", problem)


def clean_label(text: str) -> str:
    """Return `text` in one line, without what no database keeps."""
    return " ".join(text.replace("\0", "").split())[:_LONGEST_LABEL]


def _too_many() -> InvalidOption:
    return refusal(_("names more than %(most)s days") % {"most": f"{MOST_DAYS:,}"})


def _check_year(day: date) -> None:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        limits = {"first": FIRST_YEAR, "last": LAST_YEAR, "day": day.isoformat()}
        problem = _("%(day)s does not lie within %(first)s to %(last)s")
        raise refusal(problem % limits)
