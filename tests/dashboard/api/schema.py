"""Enough of JSON Schema to hold real answers against the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

Schema = dict[str, Any]

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def faults(
    value: Any, schema: Schema, document: Schema, at: str = "$"
) -> Iterator[str]:
    """Yield where `value` is not what `schema` says; unknown members are faults too."""
    schema = _resolve(schema, document)
    if "anyOf" in schema:
        tries = [list(faults(value, one, document, at)) for one in schema["anyOf"]]
        if all(tries):
            yield from tries[0]
        return
    kind = schema.get("type")
    if kind and not isinstance(value, TYPES[kind]):
        yield f"{at}: {value!r} is not {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not one of {schema['enum']}"
    if schema.get("format") == "date-time":
        datetime.fromisoformat(value)
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from faults(
                part, schema.get("items", {}), document, f"{at}[{number}]"
            )
    if isinstance(value, dict):
        yield from _faults_in_object(value, schema, document, at)


def _faults_in_object(
    value: Schema, schema: Schema, document: Schema, at: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}.{name} is missing"
    for name, part in value.items():
        rest = schema.get("additionalProperties", not properties)
        if name in properties:
            yield from faults(part, properties[name], document, f"{at}.{name}")
        elif not rest:
            yield f"{at}.{name} is not in the schema"
        elif isinstance(rest, dict):
            yield from faults(part, rest, document, f"{at}.{name}")


def _resolve(schema: Schema, document: Schema) -> Schema:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema
