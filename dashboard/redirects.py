"""Where a browser goes after it sent a form."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import resolve_url
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
