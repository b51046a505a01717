"""Who is asking: a request's actor, and the decorators that every view carries."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from dashboard.zones import ZONE_COOKIE
from tasks.errors import PermissionMissing
from tasks.policy import Actor

View = TypeVar("View", bound=Callable[..., Any])

#: The mark of a view that needs no sign-in.
PUBLIC = "public"


class ActorRequest(HttpRequest):
    """A request that passed `access`: it knows who asks."""

    actor: Actor
    htmx: HtmxDetails


class LiveRequest(ActorRequest):
    """A request that no client sent: the live hub renders a page's regions with it.

    It carries permissions and no user, because its answer goes to everyone who watches
    that page with the same permissions.
    """

    def __init__(
        self,
        path: str,
        query: str,
        permissions: frozenset[str] | None,
        zone: str = "",
    ) -> None:
        super().__init__()
        self.method = "GET"
        self.GET = QueryDict(query)
        self.COOKIES = {ZONE_COOKIE: zone}
        self.path = self.path_info = path
        self.META = {"QUERY_STRING": query, "SERVER_NAME": "live", "SERVER_PORT": "0"}
        self.user = AnonymousUser()
        self.htmx = HtmxDetails(self)
        self.actor = Actor("", "live", permissions)


def web_actor(user: AbstractBaseUser | AnonymousUser) -> Actor:
    """Return the actor that a signed-in user is; one query for each source of rights."""
    everything = user.is_active and getattr(user, "is_superuser", False)
    permissions = None if everything else frozenset(user.get_all_permissions())  # type: ignore[union-attr]
    return Actor(user.get_username(), "web", permissions)


def access(verb: str) -> Callable[[View], View]:
    """Let only those through who are signed in and may do `verb`.

    Anonymous visitors go to the sign-in page, others get 403 naming the permission. What
    the view itself may not do (PermissionMissing) ends as the same 403.
    """

    def decorate(view: View) -> View:
        wrapped = _guard_async(view, verb) if iscoroutinefunction(view) else None
        guarded = wrapped or _guard(view, verb)
        guarded.access_verb = verb  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def public(view: View) -> View:
    """Mark a view that everyone may open."""
    view.access_verb = PUBLIC  # type: ignore[attr-defined]
    return view


def _guard(view: Callable[..., Any], verb: str) -> Callable[..., Any]:
    @wraps(view)
    def guarded(request: ActorRequest, *args: Any, **kwargs: Any) -> Any:
        refusal = _admit(request, verb)
        if refusal is not None:
            return refusal
        try:
            return view(request, *args, **kwargs)
        except PermissionMissing as missing:
            raise PermissionDenied(missing) from missing

    return guarded


def _guard_async(view: Callable[..., Any], verb: str) -> Callable[..., Any]:
    @wraps(view)
    async def guarded(request: ActorRequest, *args: Any, **kwargs: Any) -> Any:
        refusal = await sync_to_async(_admit)(request, verb)
        if refusal is not None:
            return refusal
        return await view(request, *args, **kwargs)

    return guarded


def _admit(request: ActorRequest, verb: str) -> HttpResponse | None:
    """Set `request.actor` and return None, or return the way to the sign-in page."""
    if not isinstance(request, LiveRequest):
        if not request.user.is_authenticated:
            return _send_to_sign_in(request)
        request.actor = web_actor(request.user)
    try:
        request.actor.require(verb)
    except PermissionMissing as missing:
        raise PermissionDenied(missing) from missing
    return None


def _send_to_sign_in(request: ActorRequest) -> HttpResponse:
    if not request.htmx:
        return redirect_to_login(_page_of(request))
    # A fragment must not hold a sign-in page: the whole window goes there, or
    # static/session.js says so beside the form that it holds.
    back = urlencode({"next": request.htmx.current_url_abs_path or "/"})
    return HttpResponseClientRedirect(f"{resolve_url('sign-in')}?{back}")


def _page_of(request: ActorRequest) -> str:
    """Return the page that was asked for, or on which the form stands that was sent.

    The address of a form answers no GET. A form that was refused stands on that address,
    so whoever sends it again begins at the Overview.
    """
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    page = urlsplit(request.headers.get("Referer", ""))
    if page.netloc != request.get_host() or page.path == request.path:
        return resolve_url("overview")
    return f"{page.path}?{page.query}" if page.query else page.path
