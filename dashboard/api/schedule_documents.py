"""/schedule-document: all schedules as one YAML document, out and in again."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from ninja import Query, Router
from ninja.decorators import decorate_view
from pydantic import BaseModel, ConfigDict, Field

from dashboard.api.auth import ApiRequest
from dashboard.api.bodies import json_body
from dashboard.api.openapi import BODY, problems
from dashboard.api.payloads import Flag, Text
from dashboard.api.problems import refuse_unknown
from dashboard.api.shapes import shallow
from tasks.schedules import transfer
from tasks.schedules.differences import Change, Diff, Verb
from tasks.schedules.documents import load, plain_value

router = Router(tags=["schedules"])

YAML = "application/yaml"

_TOO_LARGE = _(
    "The document is too large for REST: bring it in by manage.py schedules import FILE."
)

_EXPORTED = {"description": "OK", "content": {YAML: {"schema": {"type": "string"}}}}


class ExportQuery(BaseModel):
    name: list[Text] = Field([], description="May be given again; without it all.")


class DocumentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    document: Text = Field(description="YAML, as an export has it.")
    dry_run: Flag = Field(default=False, description="Only say what would change.")
    prune: Flag = Field(
        default=False, description="Delete what the document does not name."
    )


class ValuesOut(BaseModel):
    old: Any
    new: Any


class ChangeOut(BaseModel):
    verb: Verb = Field(
        description="A new schedule whose moments are all past is left out."
    )
    name: str
    fields: dict[str, ValuesOut]


class RefusalOut(BaseModel):
    name: str
    reason: str


class ImportOut(BaseModel):
    applied: bool
    changes: list[ChangeOut]
    refusals: list[RefusalOut] = Field(
        description="What cannot be applied; then nothing is."
    )


@router.get(
    "/schedule-document",
    openapi_extra={"responses": {200: _EXPORTED} | problems(404, 422)["responses"]},
    summary="Export schedules",
)
def export_schedules(request: ApiRequest, wanted: Query[ExportQuery]) -> HttpResponse:
    """Return the named schedules, or all, as YAML."""
    request.auth.require("view")
    if refusal := refuse_unknown(request, ExportQuery):
        return refusal
    text = transfer.export(wanted.name)
    return HttpResponse(text, content_type=f"{YAML}; charset=utf-8")


@router.post(
    "/schedule-document",
    response=ImportOut,
    openapi_extra=problems(409, 507, *BODY),
    summary="Import schedules",
)
@decorate_view(partial(json_body, instead=_TOO_LARGE))
def import_schedules(request: ApiRequest, payload: DocumentIn) -> ImportOut:
    """Bring the schedules to what a document says, all of it or nothing."""
    request.auth.require("view" if payload.dry_run else "schedule.manage")
    wanted = load(payload.document)
    if not payload.dry_run:
        diff = transfer.apply(request.auth, wanted, prune=payload.prune)
        return ImportOut(applied=True, changes=_shape_all(diff), refusals=[])
    proposal = transfer.propose(wanted, prune=payload.prune)
    return ImportOut(
        applied=False,
        changes=_shape_all(proposal.diff),
        refusals=[RefusalOut(**vars(refusal)) for refusal in proposal.refusals],
    )


def _shape_all(diff: Diff) -> list[ChangeOut]:
    return [_shape(change) for change in diff.changes]


def _shape(change: Change) -> ChangeOut:
    fields = {
        field: ValuesOut(old=_shape_value(old), new=_shape_value(new))
        for field, (old, new) in change.fields.items()
    }
    return ChangeOut(verb=change.verb, name=change.name, fields=fields)


def _shape_value(value: Any) -> Any:
    return shallow(plain_value(value))
