"""What a load balancer asks: 200 while both stores answer, else 503 and which is out."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard.access import public
from tasks.board import read_board


@require_safe
@public
@never_cache
def check(request: HttpRequest) -> JsonResponse:
    """Answer with the state of the database and of Redis; no addresses, for anyone asks."""
    stores = {"database": _database_answers(), "redis": read_board().outage is None}
    answers = {name: "ok" if works else "out" for name, works in stores.items()}
    return JsonResponse(answers, status=200 if all(stores.values()) else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
