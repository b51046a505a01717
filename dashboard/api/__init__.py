"""The REST API, version 1, below /api/v1/."""

from __future__ import annotations

from dashboard.api import (
    backfills,
    calendars,
    errors,
    jobs,
    queues,
    schedule_documents,
    schedule_moments,
    schedules,
    tasks,
    workers,
)
from dashboard.api.auth import AUTH, login_required_here
from dashboard.api.bodies import JsonParser
from dashboard.api.openapi import Api

api = Api(
    title="Taskyard",
    version="1",
    urls_namespace="v1",
    auth=AUTH,
    parser=JsonParser(),
    docs_url=None,
    docs_decorator=login_required_here,
)
errors.install(api)
for module in (
    jobs,
    queues,
    tasks,
    workers,
    schedules,
    schedule_moments,
    schedule_documents,
    backfills,
    calendars,
):
    api.add_router("", module.router)

__all__ = ["api"]
