"""The queues: which is behind, who serves it?"""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.access import ActorRequest, access
from dashboard.rendering import render_page
from tasks.board import read_board
from tasks.reports import read_queues


@require_safe
@access("view")
def list_queues(request: ActorRequest) -> HttpResponse:
    board = read_board()
    queues = read_queues(board.snapshot, timezone.now()) if board.snapshot else None
    return render_page(request, "dashboard/queues/list.html", {"queues": queues})
