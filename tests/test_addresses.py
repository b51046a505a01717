"""Every address says who may come and how: each has an access and a method decorator."""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver


def views() -> list[tuple[str, Any]]:
    """Return the pages' addresses and views, without those of the admin and the API."""
    found: list[tuple[str, Any]] = []

    def walk(patterns: list[Any], prefix: str) -> None:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLPattern):
                found.append((route, pattern.callback))
            elif pattern.namespace not in ("admin", "v1"):
                walk(pattern.url_patterns, route)

    walk(get_resolver().url_patterns, "")
    return found


@pytest.mark.parametrize(("route", "view"), views(), ids=[r for r, _v in views()])
def test_every_address_says_who_may_come(route: str, view: Any) -> None:
    assert getattr(view, "access_verb", None), f"{route} has neither access nor public"


@pytest.mark.parametrize(("route", "view"), views(), ids=[r for r, _v in views()])
def test_every_address_refuses_other_methods(route: str, view: Any) -> None:
    """The method is looked at first, before anyone is asked to sign in."""
    request = RequestFactory().generic("PROPFIND", "/")
    request.user = AnonymousUser()
    arguments = re.findall(r"<(?:\w+:)?(\w+)>", route)
    response = view(request, **dict.fromkeys(arguments, "x"))
    if inspect.isawaitable(response):
        response = asyncio.run(_wait_for(response))
    assert response.status_code == 405


async def _wait_for(awaitable: Any) -> Any:
    return await awaitable


def api_routes() -> list[str]:
    (api,) = (
        pattern
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLResolver) and pattern.namespace == "v1"
    )
    return [str(api.pattern) + str(pattern.pattern) for pattern in api.url_patterns]


@pytest.mark.django_db
@pytest.mark.parametrize("route", api_routes())
def test_every_address_of_the_api_asks_who_comes(route: str) -> None:
    path = "/" + re.sub(r"<[^>]*>", "x", re.sub(r"<int:[^>]*>", "1", route))
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        response = Client().generic(method, path, "{}", "application/json")
        assert response.status_code in (302, 401, 404, 405), f"{method} {path}"
        assert response.status_code != 404 or path == "/api/v1/", path
