"""The event stream of a page: one per tab, from the hub of this process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from functools import cache
from urllib.parse import unquote

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth import get_user
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, close_old_connections, connections
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from dashboard.access import PUBLIC, ActorRequest, LiveRequest, access, web_actor
from dashboard.hub import Hub, Watch
from dashboard.rendering import LIVE
from dashboard.zones import watched_zone
from tasks.board import forget_board
from tasks.broker.live import changes

logger = logging.getLogger(__name__)

#: Seconds between two signs of life; at each, the right to watch is checked again.
HEARTBEAT = 15.0

#: Streams that one user may have open.
MAX_STREAMS = 50


@cache
def _hub_of(loop: asyncio.AbstractEventLoop) -> Hub:
    return Hub(render_watch, changes, prepare=forget_board)


@require_safe
@access("view")
async def stream(request: ActorRequest) -> HttpResponseBase:
    """Send the live regions of the page `?page=` as they change.

    Events: an unnamed one holds the regions' HTML, `beat` the time each 15 s, `gone` says
    that the page is no more, `bye` that this session may not watch any longer.
    """
    watch = _watch(request)
    if watch is None:
        return HttpResponse(status=404)
    hub = _hub_of(asyncio.get_running_loop())
    if hub.count(request.user.pk) >= MAX_STREAMS:
        return HttpResponse(status=429)
    # An open stream lasts for hours and must not hold a database connection so long.
    await sync_to_async(connections.close_all)()
    response = StreamingHttpResponse(
        _events(hub, watch, request),
        content_type="text/event-stream",
    )
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _watch(request: ActorRequest) -> Watch | None:
    """Return what the request wants to watch, None where that is no page to watch."""
    address, _sep, query = request.GET.get("page", "").partition("?")
    path = unquote(address)
    try:
        view = resolve(path).func
    except Resolver404:
        return None
    if getattr(view, "access_verb", PUBLIC) == PUBLIC or iscoroutinefunction(view):
        return None
    language = translation.get_language() or "en"
    zone = watched_zone(request, view)
    return Watch(path, query, language, request.actor.permissions, zone)


async def _events(
    hub: Hub, watch: Watch, request: ActorRequest
) -> AsyncIterator[bytes]:
    client = hub.subscribe(watch, request.user.pk)
    check_at = time.monotonic() + HEARTBEAT
    try:
        yield b": hello\n\n"
        while True:
            if time.monotonic() >= check_at:
                if not await _may_still_watch(request, watch):
                    yield _event("", "bye")
                    return
                yield _event(f"{timezone.now():%H:%M:%S}", "beat")
                check_at = time.monotonic() + HEARTBEAT
            try:
                text = await asyncio.wait_for(
                    client.box.get(), check_at - time.monotonic()
                )
            except TimeoutError:
                continue
            if text is None:
                yield _event("", "gone")
                return
            yield _event(text)
    except DatabaseError as error:
        # The browser comes back, and sees the page say that the database is out.
        logger.warning("A live stream ends: %s", error)
    finally:
        hub.unsubscribe(client)


def _event(text: str, name: str = "") -> bytes:
    lines = [f"event: {name}"] if name else []
    lines += [f"data: {line}" for line in text.splitlines() or [""]]
    return ("\n".join(lines) + "\n\n").encode()


async def _may_still_watch(request: ActorRequest, watch: Watch) -> bool:
    """Look the session and the rights up again: both may end while a tab is open."""

    def look() -> bool:
        fresh = HttpRequest()
        fresh.session = type(request.session)(request.session.session_key)
        try:
            user = get_user(fresh)
            return (
                user.is_authenticated
                and web_actor(user).permissions == watch.permissions
            )
        finally:
            close_old_connections()

    return await sync_to_async(look, thread_sensitive=False)()


def render_watch(watch: Watch) -> str | None:
    """Render the live partial of what is watched, by its own view, for all who watch it."""
    request = LiveRequest(watch.path, watch.query, watch.permissions, watch.zone)
    close_old_connections()
    try:
        match = request.resolver_match = resolve(watch.path)
        with translation.override(watch.language):
            response = match.func(request, *match.args, **match.kwargs)
    except (Resolver404, Http404, PermissionDenied):
        return None
    finally:
        close_old_connections()
    is_fragment = response.status_code == 200 and response.get("X-Fragment") == LIVE
    return response.content.decode() if is_fragment else None
