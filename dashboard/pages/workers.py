"""The workers: who is alive, who fell silent, what is each doing?"""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.access import ActorRequest, access
from dashboard.rendering import render_page
from tasks.board import read_board
from tasks.reports import read_processes, read_workers


@require_safe
@access("view")
def list_workers(request: ActorRequest) -> HttpResponse:
    board = read_board()
    snapshot = board.snapshot
    context = {
        "snapshot": snapshot,
        "workers": read_workers(snapshot) if snapshot else None,
        "processes": read_processes(snapshot) if snapshot else (),
    }
    return render_page(request, "dashboard/workers/list.html", context)
