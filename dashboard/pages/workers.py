"""The workers: who is alive, who is gone and with what, and telling one what to do."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import ActorRequest, access
from dashboard.redirects import see_other, way_back
from dashboard.rendering import render_page
from tasks import worker_actions
from tasks.board import forget_board, read_board
from tasks.errors import PermissionMissing, TasksError
from tasks.policy import Actor
from tasks.worker_actions import Told, ToldAll
from tasks.worker_reports import read_processes, read_roster


@require_safe
@access("view")
def list_workers(request: ActorRequest) -> HttpResponse:
    """Show the workers; above them the question whether to `?stop=` one, or tell `?all=`."""
    board, now = read_board(), timezone.now()
    snapshot = board.snapshot
    name = request.GET.get("stop", "") if request.actor.may("stop_worker") else ""
    context = {
        "to_stop": name,
        "to_all": _asked_of_all(request),
        "snapshot": snapshot,
        "roster": read_roster(snapshot, now),
        "processes": read_processes(snapshot) if snapshot else (),
    }
    return render_page(request, "dashboard/workers/list.html", context)


def _asked_of_all(request: ActorRequest) -> str:
    verb = request.GET.get("all", "")
    return verb if verb in ("quiet", "wake") and request.actor.may(verb) else ""


@require_POST
@access("quiet")
def quiet_all(request: ActorRequest) -> HttpResponse:
    return _act(request, worker_actions.quiet_all)


@require_POST
@access("wake")
def wake_all(request: ActorRequest) -> HttpResponse:
    return _act(request, worker_actions.wake_all)


@require_POST
@access("quiet")
def quiet(request: ActorRequest, name: str) -> HttpResponse:
    return _tell(request, worker_actions.quiet, name)


@require_POST
@access("wake")
def wake(request: ActorRequest, name: str) -> HttpResponse:
    return _tell(request, worker_actions.wake, name)


@require_POST
@access("stop_worker")
def stop(request: ActorRequest, name: str) -> HttpResponse:
    return _tell(request, worker_actions.stop, name)


def _tell(
    request: ActorRequest, tell: Callable[[Actor, str], Told], name: str
) -> HttpResponse:
    return _act(request, lambda actor: tell(actor, name))


def _act(
    request: ActorRequest, tell: Callable[[Actor], Told | ToldAll]
) -> HttpResponse:
    try:
        told = tell(request.actor)
    except PermissionMissing:
        raise
    except TasksError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, told.sentence)
    forget_board()
    back = way_back(request, request.GET.get("next", ""), reverse("workers-list"))
    return see_other(back)
