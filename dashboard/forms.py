"""Forms made from a task's signature and from the options of a submission."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from pydantic.errors import PydanticUserError

from tasks.registry import Task
from tasks.signature import Signature
from tasks.text import join_sentences

#: Arguments and options are named apart: a task may have an argument called `queue`.
ARGUMENT_PREFIX = "arg-"
OPTION_PREFIX = "opt-"

MISSING = object()


@dataclass(frozen=True)
class Choice:
    """One line of a select; `text` is what the form sends for `value`."""

    text: str
    value: Any
    #: What people read, where that is another text.
    label: str = ""


@dataclass(frozen=True)
class Field:
    """One input: how it is drawn, what stands in it, what is wrong with it."""

    name: str
    kind: str
    prefix: str = ARGUMENT_PREFIX
    label: str = ""
    required: bool = False
    nullable: bool = False
    default: Any = MISSING
    text: str = ""
    help: str = ""
    problem: str = ""
    choices: Sequence[Choice] = ()
    #: Limits that the browser can check, by attribute.
    limits: Mapping[str, Any] | None = None

    @property
    def input_name(self) -> str:
        return self.prefix + self.name

    @property
    def template(self) -> str:
        return f"dashboard/tasks/fields/_{self.kind}.html"

    @property
    def described_by(self) -> str:
        """The ids of the notes below the input, for screen readers."""
        notes = {"help": self.help, "problem": self.problem}
        return " ".join(
            f"{self.input_name}-{key}" for key, note in notes.items() if note
        )

    @property
    def rows(self) -> int:
        return min(12, max(2, self.text.count("\n") + 1))

    @property
    def holds_default(self) -> bool:
        """Whether the input says no more than leaving the argument out would."""
        known = self.default is not MISSING
        return known and self.text == _write(self.kind, self.default)

    @property
    def is_checked(self) -> bool:
        return self.text == "true"


def make_fields(task: Task, values: Mapping[str, Any] | None = None) -> list[Field]:
    """Return the inputs for a task's arguments, with defaults or `values` in them."""
    schema = _schema_of(task.signature)
    required = set(schema.get("required", ()))
    definitions = schema.get("$defs", {})
    fields = [
        _make_field(name, _resolve(part, definitions), required=name in required)
        for name, part in schema.get("properties", {}).items()
    ]
    if values is None:
        return fields
    return [_fill(f, values[f.name]) if f.name in values else f for f in fields]


def _schema_of(signature: Signature) -> dict[str, Any]:
    try:
        return signature.schema()
    except PydanticUserError:
        # A type that JSON schema cannot say is still an argument: written as JSON.
        parameters = signature.parameters.values()
        names = [p.name for p in parameters if p.default is p.empty]
        return {"properties": {p.name: {} for p in parameters}, "required": names}


def _resolve(part: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Replace references, and an "or null" by a mark, so that one type is left."""
    if "$ref" in part:
        target = definitions.get(part["$ref"].rpartition("/")[2], {})
        part = {**target, **{k: v for k, v in part.items() if k != "$ref"}}
    if "anyOf" not in part:
        return part
    others = [_resolve(one, definitions) for one in part["anyOf"]]
    real = [one for one in others if one.get("type") != "null"]
    nullable = len(real) < len(others)
    outer = {k: v for k, v in part.items() if k != "anyOf"}
    chosen = real[0] if len(real) == 1 else {}
    return {**chosen, **outer, "nullable": nullable}


def _make_field(name: str, part: Mapping[str, Any], *, required: bool) -> Field:
    kind = _kind(part)
    field = Field(
        name=name,
        kind=kind,
        required=required,
        nullable=bool(part.get("nullable")),
        default=part.get("default", MISSING),
        help=join_sentences(*_help(part, kind)),
        choices=_choices(part, kind),
        limits=_limits(part, kind),
    )
    if field.default is MISSING:
        return replace(field, text="false" if kind == "checkbox" else "")
    return _fill(field, field.default)


def _kind(part: Mapping[str, Any]) -> str:
    if "enum" in part or "const" in part:
        return "select"
    if part.get("type") == "boolean":
        return "select" if part.get("nullable") else "checkbox"
    if part.get("type") in ("integer", "number"):
        return "number"
    if part.get("type") == "string":
        known = {"date": "date", "date-time": "datetime", "password": "password"}
        return known.get(part.get("format", ""), "text")
    return "json"


def _choices(part: Mapping[str, Any], kind: str) -> list[Choice]:
    if kind != "select":
        return []
    if part.get("type") == "boolean":
        return [Choice(_write(kind, value), value) for value in (True, False)]
    values = part["enum"] if "enum" in part else [part["const"]]
    return [Choice(_write(kind, value), value) for value in values]


def _limits(part: Mapping[str, Any], kind: str) -> dict[str, Any]:
    names = {
        "number": {"minimum": "min", "maximum": "max"},
        "text": {"minLength": "minlength", "maxLength": "maxlength"},
    }.get(kind, {})
    limits = {html: part[name] for name, html in names.items() if name in part}
    if kind == "number":
        limits["step"] = 1 if part.get("type") == "integer" else "any"
    return limits


def _help(part: Mapping[str, Any], kind: str) -> Iterable[str]:
    if part.get("description"):
        yield str(part["description"])
    if part.get("format") == "path":
        yield _("A path on the worker's machine.")
    if kind == "datetime":
        yield _("In UTC.")
    if kind == "json":
        yield _json_help(part)
    yield from _limit_help(part)


def _json_help(part: Mapping[str, Any]) -> str:
    if part.get("type") == "array":
        return _('As JSON, such as ["a", "b"].')
    if part.get("type") == "object":
        return _('As JSON, such as {"name": "value"}.')
    return _("As JSON; a text stands in double quotes.")


def _limit_help(part: Mapping[str, Any]) -> Iterable[str]:
    sentences = {
        "minimum": _("At least %(limit)s."),
        "exclusiveMinimum": _("More than %(limit)s."),
        "maximum": _("At most %(limit)s."),
        "exclusiveMaximum": _("Less than %(limit)s."),
        "minLength": _("At least %(limit)s characters."),
        "maxLength": _("At most %(limit)s characters."),
        "minItems": _("At least %(limit)s items."),
        "maxItems": _("At most %(limit)s items."),
        "pattern": _("Must match %(limit)s."),
    }
    for name, sentence in sentences.items():
        if name in part:
            yield sentence % {"limit": _write_limit(part[name])}


def _write_limit(limit: Any) -> str:
    is_number = isinstance(limit, int | float)
    return number_format(limit, force_grouping=True) if is_number else str(limit)


def _fill(field: Field, value: Any) -> Field:
    """Return the field with `value`, as JSON holds it, written into its input."""
    return replace(field, text=_write(field.kind, value))


def _write(kind: str, value: Any) -> str:
    if value is None:
        return ""
    if kind == "json":
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind == "datetime":
        return str(value)[:19]
    return str(value)


def make_option_fields(task: Task) -> list[Field]:
    """Return the inputs for the options of a submission; empty means the task's own."""
    return [
        _option("queue", "text", _("Queue"), _own(task.queue)),
        _option("delay", "number", _("Delay, seconds"), _("Empty starts it at once.")),
        _option("retries", "number", _("Retries"), _own(task.retries)),
        _option("timeout", "number", _("Timeout, seconds"), _own(task.timeout)),
        _option("tags", "text", _("Tags"), _("Separated by commas.")),
        _option(
            "idempotency_key",
            "text",
            _("Idempotency key"),
            _("The same key again returns the first job instead of a new one."),
        ),
        _option("at_front", "checkbox", _("At the front of the queue"), ""),
    ]


def _own(value: object) -> str:
    return _("Empty means the task's own: %(value)s.") % {"value": value}


def _option(name: str, kind: str, label: str, help_text: str) -> Field:
    limits = (
        {"min": 0, "step": "any" if name == "delay" else 1} if kind == "number" else {}
    )
    if name == "timeout":
        limits["min"] = -1
    return Field(name, kind, OPTION_PREFIX, label, help=help_text, limits=limits)
