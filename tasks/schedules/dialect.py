"""What may stand in a cron expression, and what is wrong with one that may not.

Five fields as in crontab (minute, hour, day of the month, month, weekday), or six, of
which the first is the second; @words; ? for * where Quartz wants it. Weekdays count from
0 or 7, Sunday. cronsim reads the fields; where it refuses one, this finds the reason.
"""

from __future__ import annotations

import re

from cronsim import CronSimError
from cronsim.cronsim import RANGES, SYMBOLIC_DAYS, SYMBOLIC_MONTHS, Field

from tasks.errors import InvalidOption
from tasks.text import gettext as _
from tasks.text import name_problem, ngettext

#: Characters of an expression; one that lists every minute and hour has 300.
LONGEST_EXPRESSION = 500

WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

#: Of Quartz: with the year, of which there is one too many.
_FIELDS_WITH_YEAR = 7

_STRANGE = re.compile(r"[^0-9A-Za-z*,/\-#?@~ ]")
_BACKWARDS = re.compile(r"(\w+)-(\w+)(/\d+)?")
_STEP = re.compile(r".*/(\d+)")
_LAST_WITH_STEP = re.compile(r"(LW?)/.*")
_RANGE_WITH_STEP = re.compile(r"(\w+)-(\w+)/\d+")

#: Sunday as the end of a range is 7, but for SUN-SUN, which is that day alone.
_UNTIL_SUNDAY = re.compile(r"(?<!\bSUN)(?<!\b0)-SUN\b")


def normalise(text: object) -> str:
    """Return an expression as cronsim takes it: five or six fields in capitals.

    Raises InvalidOption for the field `expression`, with the way out.
    """
    words = _written(text).split()
    if not words:
        raise _refusal(_("is empty: write five fields, such as 0 9 * * 1-5"))
    if words[0].startswith("@"):
        words = _meant_by(words).split()
    fields = _checked_number(words)
    first = 6 - len(fields)
    return " ".join(
        _checked_field(first + place, text) for place, text in enumerate(fields)
    )


def _refusal(problem: str) -> InvalidOption:
    return InvalidOption("expression", problem)


def _written(text: object) -> str:
    if not isinstance(text, str):
        raise _refusal(_("must be text, such as 0 9 * * 1-5"))
    if len(text) > LONGEST_EXPRESSION:
        problem = _(
            "has %(length)s characters, and at most %(most)s are read: write ranges and"
            " steps (0-59/2), or make several schedules"
        )
        raise _refusal(problem % {"length": len(text), "most": LONGEST_EXPRESSION})
    written = " ".join(text.split())
    if strange := _STRANGE.search(written):
        problem = _("%(character)s has no meaning in a cron expression")
        raise _refusal(problem % {"character": repr(strange[0])})
    return written.upper()


def _meant_by(words: list[str]) -> str:
    word = " ".join(words).lower()
    if word in WORDS:
        return WORDS[word]
    if word.startswith("@every"):
        raise _refusal(_("@every is no cron expression: make it an interval"))
    problem = _("%(word)s is not one of %(known)s")
    raise _refusal(problem % {"word": words[0].lower(), "known": ", ".join(WORDS)})


def _checked_number(fields: list[str]) -> list[str]:
    if len(fields) == _FIELDS_WITH_YEAR:
        problem = _(
            "has seven fields: leave out the year, and say from when until when"
        )
        raise _refusal(problem)
    if len(fields) not in (5, 6):
        problem = ngettext(
            "has %(count)s field instead of five (minute, hour, day, month, weekday) or"
            " six (second first); a command does not belong here",
            "has %(count)s fields instead of five (minute, hour, day, month, weekday) or"
            " six (second first); a command does not belong here",
            len(fields),
        )
        raise _refusal(problem % {"count": len(fields)})
    if len(fields) == 6 and fields[0] == "*":
        problem = _(
            "has six fields, of which the first is the second: it would fire every"
            " second. Leave the first * out, or write */1 if that is what you want"
        )
        raise _refusal(problem)
    return fields


def _checked_field(number: int, text: str) -> str:
    """Return one field, 0 for seconds to 5 for weekdays."""
    field = Field(number)
    if text == "?" and field in (Field.DAY, Field.DOW):
        return "*"
    if field == Field.DOW:
        text = _UNTIL_SUNDAY.sub("-7", text)
    terms = text.split(",")
    for term in terms:
        problem = _problem(field, term)
        if problem:
            raise _refusal(name_problem(_name(field), problem))
    return ",".join(_without_idle_step(field, term) for term in terms)


def _without_idle_step(field: Field, term: str) -> str:
    """Leave out the step of a range of one value, such as 5-5/10: cronsim reads 5/10."""
    found = _RANGE_WITH_STEP.fullmatch(term)
    if found and field.int(found[1]) == field.int(found[2]):
        return found[1]
    return term


def _name(field: Field) -> str:
    return {
        Field.SECOND: _("second"),
        Field.MINUTE: _("minute"),
        Field.HOUR: _("hour"),
        Field.DAY: _("day of the month"),
        Field.MONTH: _("month"),
        Field.DOW: _("weekday"),
    }[field]


def _problem(field: Field, term: str) -> str:
    """Say what is wrong with one of a field's terms, "" for nothing."""
    if problem := _step_problem(field, term):
        return problem
    try:
        field.parse(term)
    except CronSimError:
        return _reason(field, term)
    return ""


def _step_problem(field: Field, term: str) -> str:
    """Refuse what cronsim takes for the first value only, such as */90 minutes, and
    the steps that it drops, as in L/5.
    """
    if field == Field.DAY and (last := _LAST_WITH_STEP.fullmatch(term)):
        problem = _(
            "%(term)s has a step, and no day comes after the last: write %(last)s"
        )
        return problem % {"term": term, "last": last[1]}
    found = _STEP.fullmatch(term)
    size = len(_values(field))
    if found is None or 0 < int(found[1]) <= size:
        return ""
    problem = _(
        "a step of %(step)s does not fit, 1 to %(most)s do: make longer ones an interval"
    )
    return problem % {"step": found[1], "most": size}


def _values(field: Field) -> range:
    """Return the values of a field, in which Sunday is only once."""
    return range(7) if field == Field.DOW else RANGES[field]


def _reason(field: Field, term: str) -> str:
    limits = RANGES[field]
    if not term:
        return _("a comma needs a value before and after it")
    if term.isdigit():
        problem = _("%(term)s lies outside %(least)s to %(most)s")
        return problem % {"term": term, "least": limits[0], "most": limits[-1]}
    if split := _split(field, term):
        problem = _("%(term)s runs backwards: write %(split)s")
        return problem % {"term": term, "split": split}
    if term[:3] in _short_names(field):
        problem = _("%(term)s is not a name: write %(short)s")
        return problem % {"term": term, "short": term[:3]}
    if re.fullmatch(r"H.*|.*~.*", term):
        return _("%(term)s stands for a random time: use jitter") % {"term": term}
    if field == Field.DAY and term.endswith("W"):
        problem = _("%(term)s, the nearest weekday, is unknown: use a calendar instead")
        return problem % {"term": term}
    return _general(field, term)


def _split(field: Field, term: str) -> str:
    """Return a range that begins after its end as two that do not, else ""."""
    found = _BACKWARDS.fullmatch(term)
    try:
        backwards = found and field.int(found[1]) > field.int(found[2])
    except CronSimError:
        return ""
    if not found or not backwards:
        return ""
    first, last, step = found[1], found[2], found[3] or ""
    limits = RANGES[field]
    return f"{first}-{limits[-1]}{step},{limits[0]}-{last}{step}"


def _short_names(field: Field) -> list[str]:
    names = {Field.MONTH: SYMBOLIC_MONTHS, Field.DOW: SYMBOLIC_DAYS}
    return names.get(field, [])


def _general(field: Field, term: str) -> str:
    limits, names = RANGES[field], _short_names(field)
    facts = {"term": term, "least": limits[0], "most": limits[-1]}
    if not names:
        problem = _("%(term)s has no meaning: write %(least)s to %(most)s, 1-5 or */10")
        return problem % facts
    problem = _(
        "%(term)s has no meaning: write %(least)s to %(most)s, %(first)s to %(last)s, 1-5"
        " or */2"
    )
    return problem % {**facts, "first": names[0], "last": names[-1]}
