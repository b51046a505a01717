"""Reading request bodies: bounded, and JSON only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from ninja.parser import Parser

from dashboard.api.problems import explain, problem
from tasks.strict_json import parse_json

#: Bytes of a body. The arguments may take 256 KB, twice that where a client escapes
#: every character, and the options come on top.
BODY_LIMIT = 576 * 1024

Run = Callable[..., HttpResponseBase]


def json_body(run: Run, *, instead: str | Promise = "") -> Run:
    """Answer 411, 413 or 415 before anything of an unfit body is read.

    `instead` says where one that is too large is to go.
    """

    @wraps(run)
    def check(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _refusal(request, str(instead)) or run(request, *args, **kwargs)

    return check


def optional_json_body(run: Run) -> Run:
    """Do as `json_body` where something is sent; nothing at all is fine too."""

    checked = json_body(run)

    @wraps(run)
    def check(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_empty = request.META.get("CONTENT_LENGTH") in (None, "", "0")
        is_empty = is_empty and "HTTP_TRANSFER_ENCODING" not in request.META
        return (run if is_empty else checked)(request, *args, **kwargs)

    return check


def _refusal(request: HttpRequest, instead: str) -> HttpResponseBase | None:
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        return problem(411, _("Send the body's Content-Length."))
    if len(length) > 12 or int(length) > BODY_LIMIT:
        return problem(413, instead or explain(413))
    if request.content_type != "application/json":
        return problem(415, _("Send the body as application/json."))
    return None


class JsonParser(Parser):
    """Parses what JSON allows and every database of ours can keep."""

    def parse_body(self, request: HttpRequest) -> Any:
        return parse_json(request.body)
