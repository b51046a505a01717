"""What each error of the domain and of Django becomes in HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from dashboard.api.problems import explain, invalid, problem
from tasks import errors
from tasks.schedules.errors import BackfillNotFound, BackfillOver
from tasks.wording import word_problem

#: What each of the domain's errors means in HTTP: status, type, title.
KINDS: dict[type[errors.TasksError], tuple[int, str, Promise]] = {
    BackfillNotFound: (404, "backfill-not-found", gettext_lazy("No such backfill")),
    BackfillOver: (409, "backfill-over", gettext_lazy("The backfill has ended")),
    errors.BrokerFull: (507, "broker-full", gettext_lazy("Redis is nearly full")),
    errors.BrokerUnavailable: (
        503,
        "broker-unavailable",
        gettext_lazy("Redis is away"),
    ),
    errors.CalendarNotFound: (
        404,
        "calendar-not-found",
        gettext_lazy("No such calendar"),
    ),
    errors.IdempotencyConflict: (
        409,
        "idempotency-conflict",
        gettext_lazy("The idempotency key belongs to another call"),
    ),
    errors.InvalidArguments: (
        422,
        "invalid-arguments",
        gettext_lazy("The arguments do not fit the task"),
    ),
    errors.InvalidOption: (
        422,
        "invalid-option",
        gettext_lazy("An option has a value that cannot work"),
    ),
    errors.JobExists: (409, "job-exists", gettext_lazy("The id is taken")),
    errors.JobNotFound: (404, "job-not-found", gettext_lazy("No such job")),
    errors.PayloadTooLarge: (
        413,
        "payload-too-large",
        gettext_lazy("The arguments are too large"),
    ),
    errors.PermissionMissing: (
        403,
        "permission-missing",
        gettext_lazy("A permission is missing"),
    ),
    errors.QueueNotFound: (404, "queue-not-found", gettext_lazy("No such queue")),
    errors.ScheduleChanged: (
        409,
        "schedule-changed",
        gettext_lazy("Somebody else changed the schedule"),
    ),
    errors.ScheduleExists: (409, "schedule-exists", gettext_lazy("The name is taken")),
    errors.ScheduleNotFound: (
        404,
        "schedule-not-found",
        gettext_lazy("No such schedule"),
    ),
    errors.TaskNotRegistered: (
        422,
        "task-not-registered",
        gettext_lazy("No such task"),
    ),
    errors.TransitionNotAllowed: (
        409,
        "transition-not-allowed",
        gettext_lazy("The job's state does not allow that"),
    ),
    errors.WorkerNotFound: (404, "worker-not-found", gettext_lazy("No such worker")),
    errors.WorkerNotListening: (
        409,
        "worker-not-listening",
        gettext_lazy("The worker cannot be told that"),
    ),
    errors.WorkerUnreachable: (
        503,
        "worker-unreachable",
        gettext_lazy("The worker does not answer"),
    ),
}


def install(api: NinjaAPI) -> None:
    """Teach `api` to answer each error with a problem."""
    handlers: dict[type[Exception], Callable[..., HttpResponse]] = {
        errors.TasksError: on_tasks_error,
        ValidationError: on_validation_error,
        AuthenticationError: on_missing_login,
        HttpError: on_http_error,
        Http404: on_not_found,
        RequestDataTooBig: on_large_body,
        OperationalError: on_database_error,
        InterfaceError: on_database_error,
    }
    for raised, handler in handlers.items():
        api.add_exception_handler(raised, handler)


def on_tasks_error(request: HttpRequest, error: errors.TasksError) -> HttpResponse:
    found = next((KINDS[kind] for kind in type(error).__mro__ if kind in KINDS), None)
    if found is None:
        raise error
    status, kind, title = found
    return problem(
        status,
        str(error),
        kind=kind,
        title=str(title),
        errors=_fields(error),
        **_members(error),
    )


def _fields(error: errors.TasksError) -> dict[str, str]:
    match error:
        case errors.InvalidArguments():
            return {
                f"args.{field}" if field else "args": text
                for field, text in error.problems.items()
            }
        case errors.InvalidOption():
            return error.by_field
        case errors.TaskNotRegistered():
            return {"task": str(error)}
        case errors.PayloadTooLarge():
            return {"args": str(error)}
    return {}


def _members(error: errors.TasksError) -> dict[str, str]:
    match error:
        case errors.TransitionNotAllowed():
            return {"state": error.state, "job": error.job_id}
        case errors.JobExists() | errors.IdempotencyConflict():
            return {"job": error.job_id}
    return {}


def on_validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    problems: dict[str, str] = {}
    for found in error.errors:
        problems.setdefault(_field(found["loc"]), _wording(found))
    return invalid(problems)


def _field(place: Sequence[str | int]) -> str:
    """Return a field's name without where it came in and the parameter it belongs to.

    Of a query that parameter is there only before the place in a list.
    """
    has_parameter = place[0] == "body" or len(place) > 2
    return ".".join(str(part) for part in place[2 if has_parameter else 1 :])


def _wording(found: Mapping[str, Any]) -> str:
    match found["type"]:
        case "extra_forbidden":
            return _("is not a field of this request")
        case "model_type" | "model_attributes_type":
            return _("must be a JSON object")
    return word_problem(found)


def on_missing_login(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    detail = _(
        "Send a token as “Authorization: Bearer …” (manage.py token NAME makes one),"
        " or sign in."
    )
    response = problem(401, detail)
    response["WWW-Authenticate"] = 'Bearer realm="taskyard"'
    return response


def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 400 and error.__cause__ is not None:
        reason = {"reason": error.__cause__}
        return problem(400, _("The body cannot be read as JSON: %(reason)s") % reason)
    return problem(error.status_code, str(error))


def on_not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(404, explain(404))


def on_large_body(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(413, explain(413))


def on_database_error(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(503, explain(503))
