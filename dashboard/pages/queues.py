"""The queues: which is behind, who serves it, who holds it back?"""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from dashboard.access import ActorRequest, access
from dashboard.redirects import see_other, way_back
from dashboard.rendering import render_page
from tasks.board import forget_board, read_board
from tasks.errors import InvalidOption, PermissionMissing, TasksError
from tasks.pauses import Decision, current_pauses, pause_queue, resume_queue
from tasks.reports import read_queues

#: How long a pause of the form lasts, by the value of its button; else until resumed.
SPANS = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1)}


@require_safe
@access("view")
def list_queues(request: ActorRequest) -> HttpResponse:
    """Show the queues, with the form that pauses `?pause=` above them."""
    board, now = read_board(), timezone.now()
    name = request.GET.get("pause", "") if request.actor.may("pause") else ""
    context = {
        "queues": read_queues(board.snapshot, now) if board.snapshot else None,
        "to_pause": name,
        "standing": current_pauses(now).get(name),
    }
    return render_page(request, "dashboard/queues/list.html", context)


@require_POST
@access("pause")
def pause(request: ActorRequest, name: str) -> HttpResponse:
    reason = request.POST.get("reason", "")
    until = SPANS.get(request.POST.get("for", ""))
    try:
        decision = pause_queue(request.actor, name, reason=reason, until=until)
    except InvalidOption as error:
        messages.warning(request, str(error))
        form = f"{reverse('queues-list')}?{urlencode({'pause': name})}"
        return see_other(form)
    except PermissionMissing:
        raise
    except TasksError as error:
        messages.warning(request, str(error))
    else:
        _tell(request, decision)
    return see_other(reverse("queues-list"))


@require_POST
@access("resume")
def resume(request: ActorRequest, name: str) -> HttpResponse:
    try:
        _tell(request, resume_queue(request.actor, name))
    except PermissionMissing:
        raise
    except TasksError as error:
        messages.warning(request, str(error))
    return see_other(way_back(request, request.GET.get("next", ""), "queues-list"))


def _tell(request: ActorRequest, decision: Decision) -> None:
    level = messages.SUCCESS if decision.is_told else messages.WARNING
    messages.add_message(request, level, decision.sentence)
    forget_board()
