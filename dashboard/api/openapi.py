"""The API object: its OpenAPI document lists every answer, problems included."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from dashboard.api.problems import CONTENT_TYPE, Problem

_PROBLEM = {"$ref": "#/components/schemas/Problem"}

#: What any operation may answer: no login, no right, our fault, a service is away.
ALWAYS = (401, 403, 500, 503)

#: What reading a body adds.
BODY = (400, 411, 413, 415, 422)


class Api(NinjaAPI):
    """A NinjaAPI whose document knows problems and names operations by function."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        document = super().get_openapi_schema(**options)
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return document


def problems(*statuses: int) -> dict[str, Any]:
    """Return the `openapi_extra` of an operation that may also answer `statuses`."""
    return {
        "responses": {
            status: {
                "description": HTTPStatus(status).phrase,
                "content": {CONTENT_TYPE: {"schema": _PROBLEM}},
            }
            for status in sorted({*ALWAYS, *statuses})
        }
    }
