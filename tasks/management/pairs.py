"""Arguments of a task as they are typed: `key=value` and `key:=json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.errors import InvalidArguments
from tasks.registry import Task
from tasks.strict_json import parse_json
from tasks.text import gettext as _

Schema = Mapping[str, Any]


def read_pairs(task: Task, pairs: Iterable[str]) -> dict[str, Any]:
    """Return the arguments by name.

    A value stays text where the task's schema wants text there (name=123 is "123"),
    else it is read as JSON where it is JSON. Raises InvalidArguments.
    """
    schema = task.signature.schema()
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        key = name.removesuffix(":")
        if not sign or not key:
            problems[pair] = _("write it as key=value")
        elif key in values:
            problems[key] = _("is given twice")
        else:
            try:
                values[key] = _read(text, name != key, _field(schema, key), schema)
            except ValueError as error:
                problems[key] = str(error)
    if problems:
        raise InvalidArguments(task.name, problems)
    return values


def _read(text: str, is_json: bool, field: Schema, schema: Schema) -> Any:  # noqa: FBT001
    if is_json:
        try:
            return parse_json(text)
        except ValueError as error:
            raise ValueError(
                _("is not JSON: %(reason)s") % {"reason": error}
            ) from error
    if not _is_utf8(text):
        raise ValueError(_("is not valid UTF-8 text"))
    if _takes_text(field, schema):
        return text
    try:
        return parse_json(text)
    except ValueError:
        return text


def _is_utf8(text: str) -> bool:
    """Say whether the shell's bytes were UTF-8; Python marks others as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _field(schema: Schema, key: str) -> Schema:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    if key in properties:
        return properties[key]
    for field in properties.values():  # **options: whatever each of them may be
        extra = field.get("additionalProperties")
        if isinstance(extra, Mapping):
            return extra
    return {}


def _takes_text(field: Schema, schema: Schema) -> bool:
    """Say whether the JSON schema of an argument admits text."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return _takes_text(schema.get("$defs", {}).get(name, {}), schema)
    if "type" in field:
        return bool(field["type"] == "string")
    if "enum" in field or "const" in field:
        choices = field.get("enum", [field.get("const")])
        return any(isinstance(choice, str) for choice in choices)
    options = [
        *field.get("anyOf", ()),
        *field.get("oneOf", ()),
        *field.get("allOf", ()),
    ]
    return any(_takes_text(option, schema) for option in options)
