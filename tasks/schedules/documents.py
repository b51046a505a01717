"""Schedules as a YAML document, for people and for version control.

A document is a list of mappings whose keys are the fields of a schedule. Times are ISO
8601 with their zone, durations seconds. A field that is left out stays as it is where
the schedule exists, and takes its default where it does not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import yaml

from tasks.errors import InvalidOption
from tasks.schedules.document_fields import FIELDS, read_seconds, says_nothing
from tasks.schedules.problems import Problem
from tasks.schedules.yaml_nodes import (
    Dumper,
    Unreadable,
    compose,
    construct,
    line_of,
    text_of,
)
from tasks.text import gettext as _
from tasks.text import join_sentences, name_problem

#: Of the form of documents; one of a later version is refused.
VERSION = 1

#: Characters of a line, so that none is folded: a change is one line for diff.
WIDTH = 1_000_000

#: So many problems are told at once.
MOST_PROBLEMS = 50

#: English wherever it is written, so that a document is the same for all.
_HEADER = f"""\
# Taskyard schedules, version {VERSION}.
# Times are ISO 8601 with their zone, durations are seconds. A field that is left out
# stays as it is in a schedule that exists, and takes its default in a new one.
"""

_VERSION = re.compile(r"# Taskyard schedules, version (\d{1,9})")


class InvalidDocument(InvalidOption):
    """Raised for a document that cannot be read, with all that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("document", "\n".join(map(str, self.problems)))


def dump(definitions: Iterable[Mapping[str, Any]]) -> str:
    """Return the schedules as a document, always the same for the same schedules."""
    parts = [_HEADER]
    for definition in sorted(definitions, key=lambda one: str(one["name"])):
        plain = to_plain(definition)
        parts.append(
            yaml.dump(
                [plain], Dumper=Dumper, sort_keys=False, allow_unicode=True, width=WIDTH
            )
        )
    return "\n".join(parts) if len(parts) > 1 else f"{_HEADER}[]\n"


def to_plain(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schedule's fields in their order, with values that YAML and JSON have."""
    return {
        name: plain_value(definition[name])
        for name in FIELDS
        if name in definition and not says_nothing(name, definition)
    }


def plain_value(value: Any) -> Any:
    """Return a field's value as a document has it: ISO for times, 60 for 60.0."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return read_seconds(value.total_seconds())
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def load(text: str) -> list[dict[str, Any]]:
    """Return the schedules of a document, each with the fields that it names.

    Times are returned as datetimes, durations as seconds. Raises InvalidDocument, with
    the line of each problem.
    """
    _check_version(text)
    try:
        root = compose(text)
    except Unreadable as error:
        raise InvalidDocument([error.problem]) from error
    if not isinstance(root, yaml.SequenceNode):
        line = line_of(root) if root else 1
        reason = _(
            "a document is a list of schedules, each of which begins with “- name:”"
        )
        raise InvalidDocument([Problem(line, reason)])
    reader = _Reader()
    definitions = [reader.read(node) for node in root.value]
    if reader.problems:
        raise InvalidDocument(reader.problems[:MOST_PROBLEMS])
    return definitions


def _check_version(text: str) -> None:
    found = _VERSION.match(text.lstrip("\ufeff"))
    if found and int(found[1]) > VERSION:
        reason = _("it was written by a newer Taskyard (version %(version)s)")
        raise InvalidDocument([Problem(1, reason % {"version": found[1]})])


class _Reader:
    """Reads schedule by schedule and goes on past problems, to tell all of them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._lines: dict[str, int] = {}

    def read(self, node: yaml.Node) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            self._add(node, _("a schedule is a mapping that begins with “name:”"))
            return {}
        definition = {}
        for key, value in node.value:
            name = text_of(key)
            if name not in FIELDS:
                self._add(key, _unknown(name))
                continue
            try:
                definition[name] = FIELDS[name](construct(value))
            except Unreadable as error:
                self.problems.append(error.problem)
            except ValueError as error:
                self._add(value, name_problem(name, str(error)))
        self._check_name(node, definition)
        return definition

    def _check_name(self, node: yaml.Node, definition: dict[str, Any]) -> None:
        if not any(key.value == "name" for key, _value in node.value):
            self._add(node, _("it has no “name”"))
        name = definition.get("name")
        if name in self._lines:
            reason = _(
                "“%(name)s” is the name of the schedule at line %(line)s already"
            )
            self._add(node, reason % {"name": name, "line": self._lines[name]})
        elif name is not None:
            self._lines[name] = line_of(node)

    def _add(self, node: yaml.Node, reason: str) -> None:
        self.problems.append(Problem(line_of(node), reason))


def _unknown(name: str) -> str:
    problem = _("“%(name)s” is no field of a schedule.") % {"name": name[:100]}
    nearest = difflib.get_close_matches(name, FIELDS, n=1)
    if not nearest:
        return problem
    guess = _("Did you mean %(nearest)s?") % {"nearest": nearest[0]}
    return join_sentences(problem, guess)
