"""What people typed into a form, as the arguments and options that it makes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from dashboard.forms import MISSING, Field
from tasks.text import name_problem


def read_form(
    fields: Sequence[Field], posted: Mapping[str, str]
) -> tuple[list[Field], dict[str, Any]]:
    """Return the fields as they were filled, with problems, and the arguments."""
    filled = [_read_field(field, posted) for field in fields]
    arguments = {
        field.name: value
        for field, value in filled
        if value is not MISSING and not field.holds_default
    }
    return [field for field, _value in filled], arguments


def _read_field(field: Field, posted: Mapping[str, str]) -> tuple[Field, Any]:
    if field.kind == "checkbox":
        is_on = field.input_name in posted
        return replace(field, text="true" if is_on else "false"), is_on
    # A browser sends the line ends of a textarea as CRLF.
    text = posted.get(field.input_name, "").replace("\r\n", "\n")
    field = replace(field, text=text)
    if not text.strip():
        return field, _empty_value(field)
    if field.kind == "json":
        return _read_json(field, text)
    return field, _read_text(field, text)


def _empty_value(field: Field) -> Any:
    """Return what an empty input means: nothing given, null, or an empty text."""
    if field.nullable:
        return None
    if field.kind == "text" and not field.required:
        return ""
    return MISSING


def _read_json(field: Field, text: str) -> tuple[Field, Any]:
    try:
        return field, json.loads(text)
    except ValueError as error:
        problem = _("is not JSON: %(error)s") % {"error": error}
    except RecursionError:
        problem = _("is nested too deeply")
    return replace(field, problem=problem), MISSING


def _read_text(field: Field, text: str) -> Any:
    if field.kind == "select":
        return next((c.value for c in field.choices if c.text == text), text)
    if field.kind == "datetime":
        return text if text.endswith("Z") or "+" in text else f"{text}Z"
    return text


def mark_problems(
    fields: Sequence[Field], problems: Mapping[str, str]
) -> tuple[list[Field], list[str]]:
    """Put each problem beside the field it names; return also what names none."""
    by_name: dict[str, str] = {}
    for place, problem in problems.items():
        by_name.setdefault(place.partition(".")[0], problem)
    names = {field.name for field in fields}
    marked = [replace(f, problem=f.problem or by_name.get(f.name, "")) for f in fields]
    rest = [
        name_problem(place, problem)
        for place, problem in problems.items()
        if place.partition(".")[0] not in names
    ]
    return marked, rest


def read_options(
    fields: Sequence[Field], posted: Mapping[str, str]
) -> tuple[list[Field], dict[str, Any]]:
    """Return the option fields as they were filled, and the options that were given."""
    options: dict[str, Any] = {}
    filled = []
    for field in fields:
        read, value = _read_field(field, posted)
        if value not in (MISSING, "", False):
            try:
                options[field.name] = _option_value(field.name, str(value).strip())
            except ValueError:
                read = replace(read, problem=_("must be a number"))
        filled.append(read)
    return filled, options


def _option_value(name: str, text: str) -> Any:
    if name in ("retries", "timeout"):
        return int(text)
    if name == "delay":
        return float(text)
    if name == "tags":
        return [tag.strip() for tag in text.split(",") if tag.strip()]
    return True if name == "at_front" else text
