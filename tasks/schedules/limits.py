"""How large what is said of a schedule may be; needs no database to know."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from tasks.errors import InvalidOption
from tasks.text import gettext as _

#: What stands in a URL as it is, and blanks.
SCHEDULE_NAME = re.compile(r"\w([\w.~ -]{0,198}[\w.~-])?\Z")

#: The most seconds of a duration, and the least and most of a number.
SECONDS: dict[str, float] = {
    "jitter": 86_400,
    "grace": 7 * 86_400,
    "misfire_age": 10 * 365 * 86_400,
}
COUNTS = {"misfire_most": (1, 10_000), "most_fires": (1, 1_000_000_000)}


def checked_name(name: object) -> str:
    """Return a name that a schedule may have. Raises InvalidOption."""
    if isinstance(name, str) and SCHEDULE_NAME.match(name):
        return name
    problem = _(
        "must be 1 to 200 letters, digits, blanks or . _ ~ -,"
        " the first a letter, a digit or _"
    )
    raise InvalidOption("name", problem)


def checked_seconds(field: str, value: Any) -> float:
    """Return the seconds of a duration. Raises InvalidOption."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    most = SECONDS[field]
    if not is_number or not 0 <= value <= most:
        problem = _("must be seconds, from %(least)s to %(most)s")
        raise InvalidOption(field, problem % {"least": "0", "most": f"{most:,}"})
    return float(value)


def checked_count(field: str, value: Any) -> int:
    """Return a number. Raises InvalidOption."""
    least, most = COUNTS[field]
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        problem = _("must be a whole number from %(least)s to %(most)s")
        facts = {"least": f"{least:,}", "most": f"{most:,}"}
        raise InvalidOption(field, problem % facts)
    return int(value)
