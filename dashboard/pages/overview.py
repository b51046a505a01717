"""The overview: is anything wrong, and what happens now?"""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.access import ActorRequest, access
from dashboard.rendering import render_page
from tasks.board import read_board
from tasks.models import Job
from tasks.reports import read_figures, read_queues
from tasks.run_reports import read_next, read_running
from tasks.schedules.reports import read_coming
from tasks.verdict import judge


@require_safe
@access("view")
def show(request: ActorRequest) -> HttpResponse:
    board, now = read_board(), timezone.now()
    context = {
        "concerns": judge(None if board.outage else board.snapshot, now),
        "figures": read_figures(board, now),
        "queues": read_queues(board.snapshot, now) if board.snapshot else None,
        "running": read_running(board, now),
        "coming": read_coming(None if board.outage else board.snapshot, now),
        "next": read_next(board),
        "has_jobs": Job.objects.exists(),
    }
    return render_page(request, "dashboard/overview/show.html", context)
