"""Every error under /api/ is application/problem+json (RFC 9457), whoever raised it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext as _
from pydantic import BaseModel

from tasks.text import join_problems

CONTENT_TYPE = "application/problem+json"

#: The paths whose errors programs read.
API_PREFIX = "/api/"


class Problem(BaseModel):
    """What went wrong; `errors` names each wrong field, `state` the job's state now."""

    type: str
    title: str
    status: int
    detail: str
    errors: dict[str, str] = {}
    state: str = ""
    job: str = ""


def problem(
    status: int,
    detail: str,
    *,
    kind: str = "",
    title: str = "",
    errors: Mapping[str, str] | None = None,
    **members: str,
) -> HttpResponse:
    """Return a problem; `kind` tells problems of one status apart."""
    body: dict[str, Any] = {
        "type": f"urn:taskyard:problem:{kind}" if kind else "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = dict(errors)
    return JsonResponse(body | members, status=status, content_type=CONTENT_TYPE)


def invalid(problems: Mapping[str, str]) -> HttpResponse:
    """Return the 422 that names each wrong field; "" concerns the whole body."""
    listed = join_problems(problems)
    title = _("The request is not valid")
    return problem(422, listed, kind="invalid-request", title=title, errors=problems)


def refuse_unknown(
    request: HttpRequest, wanted: type[BaseModel]
) -> HttpResponse | None:
    """Return the 422 for a query with parameters that `wanted` does not name."""
    unknown = sorted(request.GET.keys() - wanted.model_fields.keys())
    problem = _("is not a filter of this list")
    return invalid(dict.fromkeys(unknown, problem)) if unknown else None


def explain(status: int, response: HttpResponseBase | None = None) -> str:
    """Return the sentence for a status whose answer was not made here."""
    match status:
        case 404:
            return _("There is nothing at this address.")
        case 405:
            allowed = response["Allow"] if response is not None else ""
            return _("This address takes %(methods)s only.") % {"methods": allowed}
        case 413:
            return _("The body is too large: pass a path or an id instead of data.")
        case 503:
            return _("The database does not answer now; try again in a moment.")
        case _ if status >= 500:
            return _("Something went wrong here; the server's log says what.")
    return _("The request cannot be understood.")


def _is_problem(response: HttpResponse) -> bool:
    return response.get("Content-Type", "") == CONTENT_TYPE


def as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return `response`, or the problem that stands for an error page under /api/."""
    if response.status_code < 400 or not request.path_info.startswith(API_PREFIX):
        return response
    if not isinstance(response, HttpResponse) or _is_problem(response):
        return response
    made = problem(response.status_code, explain(response.status_code, response))
    # The headers stay: they name allowed methods, the language, when to come again.
    response.content = made.content
    response["Content-Type"] = CONTENT_TYPE
    response["Content-Length"] = str(len(made.content))
    return response


@sync_and_async_middleware
def problem_middleware(get_response: Callable[[HttpRequest], Any]) -> Any:
    """Turn what Django and other middleware answer under /api/ into problems too."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return as_problem(request, await get_response(request))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        return as_problem(request, get_response(request))

    return answer
