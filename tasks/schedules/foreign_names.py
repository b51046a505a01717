"""Names for schedules that come from elsewhere: such as they may have, each its own.

Always the same for the same entries, so that whoever imports twice changes nothing.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models.functions import Length

from tasks.models import Schedule
from tasks.schedules.foreign import Found
from tasks.text import gettext as _

#: Characters; of a number behind it as well, a name may have 200.
LONGEST_NAME = 192

#: What no name has, and how none begins.
_NOT_IN_NAMES = re.compile(r"^\W+|[^\w.~ -]+")


@dataclass
class Names:
    """Those that schedules have, and those that have been given to entries."""

    taken: set[str]
    #: By what they call: schedules of which an entry may be the origin.
    own: Mapping[str, Sequence[str]]
    _given: set[str] = field(default_factory=set)
    _numbers: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def read(cls) -> Names:
        """Return those of the schedules that there are; code's are nobody else's."""
        own: defaultdict[str, list[str]] = defaultdict(list)
        taken = set()
        rows = Schedule.objects.values(*_CALL, "name", "declared")
        # As they were given: x 2 before x 10.
        for row in rows.order_by(Length("name"), "name"):
            taken.add(row["name"])
            if row["declared"] is None:
                own[_call(row)].append(row["name"])
        return cls(taken, own)

    def give(self, definition: Mapping[str, Any]) -> str:
        """Return a name near to the definition's own that nothing else has."""
        name = plain_name(str(definition["name"]))
        numbered = re.compile(rf"{re.escape(name)}(?: \d+)?")
        for known in self.own.get(_call(definition), ()):
            if known not in self._given and numbered.fullmatch(known):
                return self._note(known)
        unique = name
        while unique in self.taken or unique in self._given:
            self._numbers[name] += 1
            unique = f"{name} {self._numbers[name] + 1}"
        return self._note(unique)

    def _note(self, name: str) -> str:
        self._given.add(name)
        return name


_CALL = ("task", "args", "kwargs")


def _call(definition: Mapping[str, Any]) -> str:
    return json.dumps([definition[field] for field in _CALL], sort_keys=True)


def plain_name(given: str) -> str:
    """Return a name that a schedule may have, as near to the given one as can be."""
    name = " ".join(_NOT_IN_NAMES.sub(" ", given).split())[:LONGEST_NAME].strip()
    return name or "imported"


def with_names(found: Iterable[Found]) -> list[Found]:
    """Return all with names of their own; a schedule that calls the same keeps its."""
    names = Names.read()
    return [_with_name(one, names) for one in found]


def _with_name(found: Found, names: Names) -> Found:
    if found.definition is None:
        return found
    given, name = str(found.definition["name"]), names.give(found.definition)
    notes = found.notes
    if name != " ".join(given.split()):
        text = _("“%(given)s” cannot be its name here, or is that of another schedule.")
        notes = (text % {"given": given}, *notes)
    return replace(found, definition={**found.definition, "name": name}, notes=notes)
