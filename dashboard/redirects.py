"""Where a browser goes after it sent a form."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import Resolver404, ResolverMatch, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme


def see_other(url: str) -> HttpResponseRedirect:
    """Send the browser on with 303, after which a reload repeats nothing."""
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response


def way_back(request: HttpRequest, target: str, default: str) -> str:
    """Return `target` where it is a page of ours, else the page named `default`."""
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else resolve_url(default)


def page_above(path: str) -> str:
    """Return the nearest page above an address that answers no GET."""
    above = f"{path.rstrip('/').rpartition('/')[0]}/"
    match = _page_at(above)
    if match is None:
        return page_above(above)
    return reverse(match.view_name, args=match.args, kwargs=match.kwargs)


def _page_at(path: str) -> ResolverMatch | None:
    try:
        match = resolve(path)
    except Resolver404:
        return None
    # No schedule's name begins with "-": what is above its addresses is the list.
    if match.kwargs.get("name", "").startswith("-"):
        return None
    return match if getattr(match.func, "access_verb", "") == "view" else None
