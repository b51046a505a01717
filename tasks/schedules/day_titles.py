"""Whether the title of a calendar's event means a day off or a make-up working day.

In China weekends are worked to make up for long holidays (调休): the State Council's
notice names them, and calendars mark them 班 as they mark the days off 休.
"""

from __future__ import annotations

import re
from enum import Enum, auto


class Meaning(Enum):
    """What an event says of its days."""

    WORKS = auto()
    #: Marked 休, or so by Apple's own field.
    MARKED_OFF = auto()
    OFF = auto()
    #: Days swapped (调休), without saying whether worked or not.
    SWAPPED = auto()
    #: A day that is kept without being free, as in Google's calendars.
    OBSERVED = auto()


#: Words that contain those for a working day and mean something else.
_NO_WORK = re.compile(
    r"(?:不用?|[无無][需须須]|免|勿)上班|停班|值班|下班|非工作日"
    r"|\b(?:non|not(?: an?)?|no)[\s-]?work(?:ing)?[\s-]?days?\b",
    re.IGNORECASE,
)

_WORK = re.compile(r"班|工作日|\bwork(?:ing)?[\s-]?days?\b", re.IGNORECASE)

_SWAPPED = re.compile(r"[调調]休")

#: X-APPLE-SPECIAL-DAY in the calendars that iOS and macOS subscribe to.
_APPLE = {
    "WORK-HOLIDAY": Meaning.MARKED_OFF,
    "ALTERNATE-WORKDAY": Meaning.WORKS,
}

#: How Google describes what its calendars of holidays list beside public holidays.
_OBSERVANCE = re.compile(r"Observance\b|.*Google ?(Calendar Settings|日历|日曆)", re.S)


def read_meaning(title: str, apple: str = "", description: str = "") -> Meaning:
    """Return what an event means by its title and, where there are, these fields."""
    if apple.upper() in _APPLE:
        return _APPLE[apple.upper()]
    if _OBSERVANCE.match(description):
        return Meaning.OBSERVED
    title = _NO_WORK.sub(" ", title)
    if _WORK.search(title):
        return Meaning.WORKS
    rest = _SWAPPED.sub(" ", title)
    if "休" in rest:
        return Meaning.MARKED_OFF
    is_swapped = rest != title and "假" not in rest
    return Meaning.SWAPPED if is_swapped else Meaning.OFF
