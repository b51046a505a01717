"""YAML read into nodes that know their lines, with the values that JSON has as well.

Scalars are those of YAML 1.2's core schema: `no` and `2026-01-31` are text, as their
writers meant them, and only true, false, null and decimal numbers are something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

try:
    from yaml import CSafeDumper as SafeDumper
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # built without libyaml: the same, and ten times slower
    from yaml import SafeDumper, SafeLoader  # type: ignore[assignment]

from tasks.schedules.problems import Problem
from tasks.text import gettext as _
from tasks.text import join_sentences

#: Bytes of a document; one of 10,000 schedules has 4 to 8 MB.
MOST_BYTES = 16 << 20

#: Values in a document, an alias counting for all that it repeats; a larger document
#: may have one for so many of its characters.
MOST_NODES = 200_000
CHARACTERS_A_NODE = 4

#: Lists and mappings within each other; libyaml would crash on very many.
DEEPEST = 100

_INT = r"[-+]?(?:0|[1-9][0-9]*)"

#: The pattern of each kind of scalar, and the characters that one can begin with.
_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (_INT, list("-+0123456789")),
    "float": (
        rf"(?:{_INT}(?:\.[0-9]*)?|[-+]?\.[0-9]+)(?:[eE][-+]?[0-9]+)?",
        list("-+.0123456789"),
    ),
}


_STANDARD = "tag:yaml.org,2002:"
_TEXT = f"{_STANDARD}str"

#: What the library raises for a value that is not of the tag before it.
_UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError)


class _Loader(SafeLoader):
    """Knows these scalars only, and no merge keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}


class Dumper(SafeDumper):
    """Quotes whatever this or another reader of YAML would take for no text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _class in (_Loader, Dumper):
    for _name, (_pattern, _first) in _SCALARS.items():
        _tag, _whole = f"{_STANDARD}{_name}", re.compile(rf"(?:{_pattern})\Z")
        _class.add_implicit_resolver(_tag, _whole, _first)


class Unreadable(Exception):
    """Raised for what is no YAML, or too much of it; holds the problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def compose(text: str) -> yaml.Node | None:
    """Return the document's node, None for an empty one; raises Unreadable."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Unreadable(Problem(1, _("it is not valid UTF-8 text"))) from error
    if size > MOST_BYTES:
        raise Unreadable(Problem(1, _("the document is larger than 16 MB")))
    most = max(MOST_NODES, len(text) // CHARACTERS_A_NODE)
    try:
        _check_events(text, most)
        node: yaml.Node | None = yaml.compose(text, _Loader)
    except yaml.YAMLError as error:
        raise Unreadable(_worded(error, text)) from error
    if node is not None:
        _check(node, most)
    return node


def construct(node: yaml.Node) -> Any:
    """Return a node's value; raises Unreadable."""
    if node.tag == _TEXT:
        return node.value
    try:
        return SafeConstructor().construct_document(node)
    except _UNREADABLE as error:
        reason = _("%(value)s cannot be read") % {"value": text_of(node)[:100]}
        raise Unreadable(Problem(line_of(node), reason)) from error


def text_of(node: yaml.Node) -> str:
    """Return a scalar as it was written; of a list or mapping its tag, as `!!map`."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    return str(node.tag).replace(_STANDARD, "!!")


def line_of(place: yaml.Node | yaml.Event) -> int:
    return int(place.start_mark.line) + 1 if place.start_mark else 1


def _check_events(text: str, most: int) -> None:
    """Refuse what would be too deep or too much to compose."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, _Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise Unreadable(Problem(line_of(event), _("it is nested too deeply")))
        if number > 2 * most:
            raise Unreadable(_too_many(most))


def _check(root: yaml.Node, most: int) -> None:
    """Refuse what aliases repeat too often, or without end, and keys that come twice."""
    nodes = [root]
    seen = 0
    while nodes:
        seen += 1
        node = nodes.pop()
        if seen + len(nodes) > most:
            raise Unreadable(_too_many(most))
        nodes.extend(_children(node))


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if str(key.value) in keys:
                reason = _("“%(key)s” is there twice") % {"key": key.value}
                raise Unreadable(Problem(line_of(key), reason))
            keys.add(str(key.value))
            yield key
            yield value


def _too_many(most: int) -> Problem:
    reason = _("it has more than %(most)s values, its aliases written out")
    return Problem(1, reason % {"most": f"{most:,}"})


def _worded(error: yaml.YAMLError, text: str) -> Problem:
    """Return what is wrong, with what helps where cron expressions stand unquoted."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    lines = text.splitlines() or [""]
    line = min(int(mark.line) if mark else 0, len(lines) - 1)
    shown = lines[line].strip()
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    reason = _("it is no YAML (%(reason)s).") % {"reason": said}
    if re.search(r":\s+[*@]", shown):
        reason = join_sentences(reason, _("Put the value in quotes."))
    return Problem(line + 1, reason, shown)
