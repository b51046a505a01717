"""Django's admin: the ledger's rows, read-only, with Retry and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from django.contrib import admin, messages
from django.contrib.auth.models import AbstractUser
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tasks import actions
from tasks.errors import BrokerUnavailable, TasksError
from tasks.models import ApiToken, Attempt, Audit, Job, Pause, Recovery, TaskRecord
from tasks.policy import PERMISSIONS, Actor

#: Jobs that one action touches at most: each is a call of its own to Redis, and the
#: page waits for all of them.
MOST_AT_ONCE = 500

#: Refusals that are told one by one; the rest is counted.
REFUSALS_TOLD = 5

Act = Callable[[Actor, str], Job]

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Model]
else:  # generic in its stubs only
    ModelAdmin = admin.ModelAdmin


@dataclass
class Outcome:
    """What became of the jobs that an action was asked to touch."""

    done: int = 0
    refusals: list[str] = field(default_factory=list)


class ReadOnlyAdmin(ModelAdmin):
    """Rows that only the engine writes."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("id", "task", "queue", "state", "created_at", "ended_at", "error")
    list_filter = ("state",)
    search_fields = ("=id", "=task", "=queue")
    search_help_text = gettext_lazy("The whole id, task or queue")
    actions = ("retry_jobs", "cancel_jobs")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSIONS["retry"])

    @admin.action(description=gettext_lazy("Retry"), permissions=["operate"])
    def retry_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        outcome = _apply(request, jobs, actions.retry)
        said = ngettext(
            "%(count)s job retried.", "%(count)s jobs retried.", outcome.done
        )
        self._tell(request, said, outcome)

    @admin.action(description=gettext_lazy("Cancel"), permissions=["operate"])
    def cancel_jobs(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        outcome = _apply(request, jobs, actions.cancel)
        said = ngettext(
            "%(count)s job canceled.", "%(count)s jobs canceled.", outcome.done
        )
        self._tell(request, said, outcome)

    def _tell(self, request: HttpRequest, said: str, outcome: Outcome) -> None:
        if outcome.done:
            text = said % {"count": outcome.done}
            self.message_user(request, text, messages.SUCCESS)
        for refusal in outcome.refusals[:REFUSALS_TOLD]:
            self.message_user(request, refusal, messages.WARNING)
        untold = len(outcome.refusals) - REFUSALS_TOLD
        if untold > 0:
            text = ngettext("… and %(count)s more.", "… and %(count)s more.", untold)
            self.message_user(request, text % {"count": untold}, messages.WARNING)


def _apply(request: HttpRequest, jobs: QuerySet[Job], act: Act) -> Outcome:
    """Act on each job; stop where Redis is away, for it will be for the next one."""
    actor, outcome = _actor(request), Outcome()
    ids = list(jobs.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
    for job_id in ids[:MOST_AT_ONCE]:
        try:
            act(actor, job_id)
        except BrokerUnavailable as error:
            outcome.refusals.append(str(error))
            return outcome
        except TasksError as error:
            outcome.refusals.append(str(error))
        else:
            outcome.done += 1
    if len(ids) > MOST_AT_ONCE:
        said = _("Only the first %(most)s jobs were touched: select the rest again.")
        outcome.refusals.insert(0, said % {"most": MOST_AT_ONCE})
    return outcome


def _actor(request: HttpRequest) -> Actor:
    user = cast(AbstractUser, request.user)  # the admin lets nobody else in
    return Actor(user.get_username(), "admin", frozenset(user.get_all_permissions()))


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = (
        *("job_key", "number", "state", "worker", "host"),
        *("started_at", "ended_at", "error"),
    )
    list_filter = ("state",)
    search_fields = ("=job_key", "=worker", "=host")
    ordering = ("-started_at",)


@admin.register(TaskRecord)
class TaskRecordAdmin(ReadOnlyAdmin):
    list_display = ("name", "queue", "timeout", "retries", "is_async", "seen_at")
    search_fields = ("name", "description")


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin):
    list_display = (
        *("scope", "target", "reason", "actor", "created_at"),
        *("until", "resumed_at", "resumed_by"),
    )
    list_filter = ("scope",)
    search_fields = ("=target", "=actor")


@admin.register(Recovery)
class RecoveryAdmin(ReadOnlyAdmin):
    list_display = (
        *("worker", "host", "pid", "slots", "running"),
        *("last_seen_at", "noticed_at", "noticed_by", "returned_at"),
    )
    list_filter = ("noticed_by",)
    search_fields = ("=worker", "=host")


@admin.register(Audit)
class AuditAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "via", "verb", "target", "result")
    list_filter = ("verb", "via")
    search_fields = ("=actor", "=target")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens are made by `manage.py token`, which shows their text; here they end."""

    list_display = ("name", "key", "read_only", "created_at", "last_used_at")
    exclude = ("digest",)

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return request.user.has_perm("tasks.delete_apitoken")
