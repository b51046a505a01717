"""One way to answer with a page: whole, or the named part that htmx or the hub wants."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from dashboard.access import ActorRequest, LiveRequest
from dashboard.shell import make_shell

#: The partial that every live page has: the content of its element with id "live".
LIVE = "live"

VARY = ("HX-Request", "HX-Target", "HX-History-Restore-Request", "Cookie")


def render_page(
    request: ActorRequest,
    template: str,
    context: dict[str, Any],
    *,
    partials: Collection[str] = (LIVE,),
    status: int | None = None,
) -> HttpResponse:
    """Render the page `template`, or one of its `partials`.

    A partial is named as the element that holds it: the request's target picks it, and
    only from `partials`. Everything else gets the whole page: a boosted link, a restored
    history entry, an unknown target. While Redis is out a whole page says 503; a
    fragment says 200, because browsers and htmx treat anything else as lost.
    """
    partial = wanted_partial(request, partials)
    shell = make_shell(request)
    if status is None:
        status = 503 if shell.outage and partial is None else 200
    name = "dashboard/_fragment.html" if partial else template
    parts = {
        "shell": shell,
        "is_live": LIVE in partials,
        "fragment": f"{template}#{partial}",
        "title_fragment": f"{template}#title",
    }
    response = render(request, name, {**context, **parts}, status=status)
    if partial:
        response["Cache-Control"] = "no-store"
        response["X-Fragment"] = partial
    patch_vary_headers(response, VARY)
    return response


def wanted_partial(request: HttpRequest, partials: Collection[str]) -> str | None:
    """Return the partial that the request asks for, or None for the whole page."""
    if isinstance(request, LiveRequest):
        return LIVE if LIVE in partials else None
    htmx = getattr(request, "htmx", None)
    if not htmx or htmx.boosted or htmx.history_restore_request:
        return None
    # htmx 4 names its target by tag and id: "div#live".
    target = unquote((htmx.target or "").rpartition("#")[2])
    return target if target in partials else None
