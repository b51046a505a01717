"""The pages of what went wrong: each names the fact and the way on."""

from __future__ import annotations

import logging
from urllib.parse import unquote

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from dashboard.redirects import page_above
from dashboard.shell import theme_of
from tasks.errors import PermissionMissing

logger = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(
        request, 400, _("This request cannot be read"), _("Go back and try again.")
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say which permission is missing, where that is what refused."""
    missing = exception.args[0] if exception.args else None
    if isinstance(missing, PermissionMissing):
        sentence = _(
            "This needs the permission “%(label)s” (%(permission)s); an administrator"
            " can give it."
        ) % {"label": missing.label, "permission": missing.permission}
    else:
        sentence = _("You are not allowed to do this.")
    return error_page(request, 403, _("Not allowed"), sentence)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    said = exception.args[0] if exception.args else ""
    sentence = said if isinstance(said, str) and said else _("There is no such page.")
    return error_page(request, 404, _("Not found"), sentence)


def server_error(request: HttpRequest) -> HttpResponse:
    return error_page(
        request,
        500,
        _("Something went wrong here"),
        _("The log of the web process says what. Nothing was changed by looking."),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_page(
        request,
        403,
        _("This form is no longer valid"),
        _("Go back, reload the page and send it again."),
    )


def not_a_page(request: HttpRequest) -> HttpResponse:
    """Name the page above an address that only takes what forms send."""
    return error_page(
        request,
        405,
        _("There is no page at this address"),
        _("It only takes what a form sends. Nothing was done."),
        back=page_above(request.path_info),
    )


def database_out(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer without any query: the database is what does not answer."""
    response = error_page(
        request,
        503,
        _("The database does not answer"),
        _("Jobs go on running; this page returns when the database does."),
        detail=str(error).partition("\n")[0],
    )
    response["Retry-After"] = "5"
    return response


def error_page(
    request: HttpRequest,
    status: int,
    title: str,
    sentence: str,
    *,
    detail: str = "",
    back: str = "",
) -> HttpResponse:
    """Render a page that needs neither database, Redis nor session.

    `back` is a page to go on with, beside the Overview.
    """
    context = {
        "status": status,
        "title": title,
        "sentence": sentence,
        "detail": detail,
        "back": back,
        "back_name": unquote(back),
        "theme": theme_of(request),
    }
    body = render_to_string("dashboard/errors/error.html", context)
    response = HttpResponse(body, status=status)
    response["Cache-Control"] = "no-store"
    return response


class DatabaseOutageMiddleware(MiddlewareMixin):
    """Answers 503 where a view could not reach the database."""

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        if not isinstance(exception, (OperationalError, InterfaceError)):
            return None
        logger.error("The database does not answer: %s", exception)
        return database_out(request, exception)


class WrongMethodMiddleware(MiddlewareMixin):
    """Answers with a page who opens the address of a form in the address bar."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        is_opened = request.method == "GET"
        if is_opened and isinstance(response, HttpResponseNotAllowed):
            # Its headers stay: they name the allowed method.
            response.content = response.content or not_a_page(request).content
        return response
