"""The doctor: what will bite this installation, the worst first, with the way out."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.access import ActorRequest, access
from dashboard.rendering import render_page
from tasks.checks import Level
from tasks.doctor import read_examination

#: From what is well to the worst.
LEVELS = list(Level)


@require_safe
@access("view")
def show(request: ActorRequest) -> HttpResponse:
    """Show one examination; it holds still, because its checks are not cheap."""
    examination = read_examination()
    context = {
        "examination": examination,
        "findings": sorted(
            examination.findings,
            key=lambda finding: LEVELS.index(finding.level),
            reverse=True,
        ),
    }
    return render_page(request, "dashboard/doctor/show.html", context, partials=())
