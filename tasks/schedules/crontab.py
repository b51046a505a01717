"""Entries of a crontab file, each as a schedule that runs its command.

Read as crontab(5) of Vixie's cron and cronie has it: of users, or /etc/crontab and
/etc/cron.d with a user before the command. What no schedule can be comes back as a
Problem, with the reason and the way out, in the place of its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import InvalidOption
from tasks.schedules.cron import Cron
from tasks.schedules.crontab_commands import call_for, name_for, split_input
from tasks.schedules.crontab_notes import notes_for
from tasks.schedules.problems import Problem
from tasks.schedules.zones import zone_named
from tasks.strict_json import check_json
from tasks.text import gettext as _

#: Characters of a file; the largest crontabs have a tenth of it.
MOST_CHARACTERS = 1_000_000

_VARIABLE = re.compile(
    r"""(?P<quote>["']?)(?P<name>[A-Za-z_]\w*)(?P=quote)\s*=\s*(?P<value>.*)""",
    re.ASCII,
)

_USER = re.compile(r"[A-Za-z_][\w.-]*\$?\Z", re.ASCII)

#: The head of many crontabs, which names the fields.
_FIELDS_HEAD = re.compile(r"\bdom\s+mon\s+dow\b|\bminute\s+hour\b", re.IGNORECASE)

#: What lines of comments are adorned with.
_ADORNMENT = "#-=*~_| \t"


@dataclass(frozen=True)
class Entry:
    """One line of a crontab that can be a schedule."""

    line: int
    #: The comment above it, or its program; schedules may be unable to have such a name.
    name: str
    #: Five fields, as Cron keeps them.
    expression: str
    zone: str
    #: What cron hands to the shell.
    command: str
    user: str = ""
    #: The variables set above it, without CRON_TZ.
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def call(self) -> dict[str, Any]:
        """The task and its arguments, by the names of a schedule's fields."""
        return call_for(self.command, self.env)

    @property
    def notes(self) -> list[str]:
        """What will not be as it was under cron, in sentences."""
        return notes_for(self.user, self.zone, self.env)


def read_crontab(
    text: str, *, system: bool = False, zone: str
) -> list[Entry | Problem]:
    """Return what each line with an entry is, or why it cannot be one, in order.

    `system` is for files whose lines have a user before the command. `zone` is that of
    the machine the file is from; CRON_TZ and TZ change it for the lines below them.
    """
    if len(text) > MOST_CHARACTERS:
        return [Problem(1, _("the file is larger than 1 MB"))]
    return list(_Reader(zone, is_system=system).read(text))


class _Reader:
    """Reads line by line; keeps what lines say of those below them."""

    def __init__(self, zone: str, *, is_system: bool) -> None:
        self._is_system = is_system
        self._machine_zone = zone
        self._zones: dict[str, str | None] = {}
        self._env: dict[str, str] = {}
        self._comment = ""

    def read(self, text: str) -> Iterator[Entry | Problem]:
        for number, whole in enumerate(text.split("\n"), 1):
            line = whole.strip()
            try:
                yield from self._read_line(number, line)
            except InvalidOption as error:
                yield Problem(number, error.problem, line)
            self._comment = line if line.startswith("#") else ""

    def _read_line(self, number: int, line: str) -> Iterator[Entry]:
        _check_text(line)
        if variable := _VARIABLE.match(line):
            self._set(variable["name"], _unquote(variable["value"]))
        elif line and not line.startswith("#"):
            yield self._read_entry(number, line)

    def _set(self, name: str, value: str) -> None:
        if name in ("CRON_TZ", "TZ"):
            self._zones[name] = None  # of what follows, if the next line refuses it
            self._zones[name] = zone_named(value.lstrip(":")).key if value else ""
        if name != "CRON_TZ":
            self._env[name] = value

    def _read_entry(self, number: int, line: str) -> Entry:
        expression, rest = _split_moment(line)
        user, command = self._split_user(rest)
        command, given = split_input(command)
        if given is not None:
            problem = _(
                "the first %(sign)s ends its command and what follows is its input,"
                " which tasks do not have: write %(escaped)s for the sign itself, or put"
                " both into a script"
            )
            raise _refusal(problem % {"sign": "%", "escaped": r"\%"})
        zone = self._zone()
        name = _title(self._comment) or name_for(command)
        return Entry(
            line=number,
            name=name if re.search(r"\w", name) else f"crontab {number}",
            expression=expression,
            zone=zone,
            command=command,
            user=user,
            env=dict(self._env),
        )

    def _split_user(self, rest: str) -> tuple[str, str]:
        words = rest.split(None, 1) if self._is_system else ["", rest]
        user, command = (*words, "", "")[:2]
        if self._is_system and user and not _USER.match(user):
            problem = _("%(word)s is no user: is this the crontab of one user?")
            raise _refusal(problem % {"word": user})
        if not command:
            raise _refusal(_("it has no command"))
        if not self._is_system and command.startswith("root "):
            problem = _("“root” is a user and no command: is this a system's crontab?")
            raise _refusal(problem)
        return user, command

    def _zone(self) -> str:
        """Return the zone of times: CRON_TZ goes before TZ, an empty one says nothing."""
        for name in ("CRON_TZ", "TZ"):
            zone = self._zones.get(name, "")
            if zone is None:
                problem = _("the %(name)s above it names no time zone")
                raise _refusal(problem % {"name": name})
            if zone:
                return zone
        return self._machine_zone


def _split_moment(line: str) -> tuple[str, str]:
    """Return the expression as it is kept, and what stands behind it."""
    line = line.removeprefix("-")  # cronie: do not log it
    fields = 1 if line.startswith("@") else 5
    parts = line.split(None, fields)
    if parts and parts[0].lower() == "@reboot":
        raise _refusal(
            _(
                "@reboot runs when a machine starts, which no schedule can know: leave it"
                " in the crontab, or make it a service of the machine"
            )
        )
    if len(parts) < fields:
        raise _refusal(_("it has neither five fields of time nor a variable"))
    expression = Cron.parse(" ".join(parts[:fields])).text
    return expression, " ".join(parts[fields:])


def _check_text(line: str) -> None:
    try:
        check_json(line)
    except ValueError as error:
        raise _refusal(str(error)) from error


def _unquote(value: str) -> str:
    value = value.strip()
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if is_quoted else value


def _title(comment: str) -> str:
    """Return what a comment calls the entry below it, "" where it does not."""
    title = " ".join(comment.strip(_ADORNMENT).split())
    if not re.search(r"\w", title) or _FIELDS_HEAD.search(title):
        return ""
    return "" if _is_entry(comment.lstrip("# \t")) else title


def _is_entry(line: str) -> bool:
    """Say whether it would be one, had it not been commented out."""
    if not re.match(r"[\d*@]", line):
        return False
    try:
        _split_moment(line)
    except InvalidOption:
        return False
    return True


def _refusal(problem: str) -> InvalidOption:
    return InvalidOption("line", problem)
