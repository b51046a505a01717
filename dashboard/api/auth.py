"""Who calls: a bearer token, or the session of a page (with CSRF)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja.errors import AuthenticationError, HttpError
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie
from ninja.utils import check_csrf

from dashboard.access import web_actor
from dashboard.api.errors import on_http_error, on_missing_login
from tasks.models import ApiToken
from tasks.policy import PERMISSIONS, Actor

#: What a read-only token may do.
READING = frozenset({PERMISSIONS["view"]})


class ApiRequest(HttpRequest):
    """A request whose caller is known."""

    auth: Actor


class BearerToken(HttpBearer):
    """A token that `manage.py token` made."""

    def __call__(self, request: HttpRequest) -> Actor | None:
        """Return the token's actor; None where no header was sent.

        A header that is wrong ends the matter: no session stands in for it.
        """
        if self.header not in request.headers:
            return None
        actor: Actor | None = super().__call__(request)
        if actor is None:
            raise AuthenticationError
        return actor

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        found = ApiToken.authenticate(token)
        if found is None:
            return None
        return Actor(found.name, "api", READING if found.read_only else None)


class SessionCookie(APIKeyCookie):
    """The session of somebody who signed in; writing needs the X-CSRFToken header."""

    param_name = "sessionid"

    def __call__(self, request: HttpRequest) -> Actor | None:
        # Asked before CSRF, so that a request without any login is 401 and not 403.
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        user = request.user
        if isinstance(user, AnonymousUser):
            return None
        if check_csrf(request) is not None:
            raise HttpError(403, _("The X-CSRFToken header is missing or wrong."))
        return replace(web_actor(user), via="api")


AUTH = (BearerToken(), SessionCookie())

View = Callable[..., HttpResponse]


def login_required_here(view: View) -> View:
    """Guard a view that is no operation (the OpenAPI document) in the same way."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            if not any(door(request) for door in AUTH):
                raise AuthenticationError
        except AuthenticationError as error:
            return on_missing_login(request, error)
        except HttpError as error:
            return on_http_error(request, error)
        return view(request, *args, **kwargs)

    return guarded
