from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tasks.states import ENDED, WAITING, State

#: The errors of jobs that were taken out of Redis by another client: they themselves, and
#: those that waited for one.
REMOVED = ("Removed", "ParentRemoved")

#: How `submitted_by` begins where a schedule did.
BY_SCHEDULE = "schedule · "


class JobQuerySet(models.QuerySet["Job"]):
    def in_state(self, *states: State) -> JobQuerySet:
        return self.filter(state__in=states)

    def running(self) -> JobQuerySet:
        return self.in_state(State.STARTED)

    def waiting(self) -> JobQuerySet:
        return self.in_state(*WAITING)

    def ended_since(self, moment: datetime) -> JobQuerySet:
        return self.in_state(*ENDED).filter(ended_at__gte=moment)

    def after(self, created_at: datetime, job_id: str) -> JobQuerySet:
        """Jobs that come after one in the order of their submission."""
        later = Q(created_at__gt=created_at) | Q(id__gt=job_id)
        return self.filter(later, created_at__gte=created_at)

    def unblocked(self) -> JobQuerySet:
        """Jobs that wait for parents none of which is open, or one of which is removed."""
        parents = Job.objects.filter(pk=OuterRef("parent"))
        edges = Dependency.objects.filter(child=OuterRef("pk"))
        removed = Q(state=State.CANCELED, error__in=REMOVED)
        unfinished = parents.exclude(Q(state=State.FINISHED) | removed)
        unended = parents.exclude(state__in=ENDED)
        return self.in_state(State.DEFERRED).filter(
            Q(allow_failure=False) & ~Exists(edges.filter(Exists(unfinished)))
            | Q(allow_failure=True) & ~Exists(edges.filter(Exists(unended)))
        )

    def fired_between(self, first: datetime, last: datetime) -> JobQuerySet:
        """Jobs of schedules, accepted then, that were pushed once at most."""
        accepted = self.filter(created_at__gt=first, created_at__lte=last)
        unconfirmed = accepted.in_state(State.CREATED).filter(pushed_at=None)
        return unconfirmed.filter(submitted_by__startswith=BY_SCHEDULE)

    def unpushed(self, accepted_before: datetime) -> JobQuerySet:
        """Jobs accepted, or last pushed, by then, whose push nobody has confirmed."""
        return self.in_state(State.CREATED).filter(
            Q(pushed_at=None, created_at__lte=accepted_before)
            | Q(pushed_at__lte=accepted_before)
        )


class Job(models.Model):
    """One requested execution of a task: what was accepted and what became of it.

    The id is RQ's too. `state` is written by the submission (created), then only by the
    recorder from events with a higher `seq`, so that a late event changes nothing.
    """

    id = models.CharField(_("id"), max_length=255, primary_key=True)
    task = models.CharField(_("task"), max_length=255)
    queue = models.CharField(_("queue"), max_length=200)
    state = models.CharField(
        _("state"),
        max_length=16,
        choices=[(s.value, s.value) for s in State],
        default=State.CREATED,
    )
    seq = models.PositiveIntegerField(_("sequence"), default=0)
    #: The number of the last event that told of an attempt.
    tried_seq = models.PositiveIntegerField(default=0, editable=False)
    args = models.JSONField(_("arguments by position"), default=list)
    kwargs = models.JSONField(_("arguments by name"), default=dict)
    #: What stands in for arguments that this process cannot or must not read.
    unreadable = models.CharField(_("unreadable because"), max_length=500, blank=True)
    description = models.TextField(_("description"), blank=True)
    tags = models.JSONField(_("tags"), default=list)
    timeout = models.IntegerField(_("timeout, seconds"), null=True)
    retries = models.PositiveIntegerField(_("retries"), default=0)
    backoff = models.FloatField(_("back-off, seconds"), default=0)
    at_front = models.BooleanField(_("at the front"), default=False)
    allow_failure = models.BooleanField(_("despite failures"), default=False)
    idempotency_key = models.CharField(  # noqa: DJ001 - NULLs do not collide
        _("idempotency key"), max_length=255, null=True, blank=True
    )
    submitted_by = models.CharField(_("submitted by"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("submitted at"), default=timezone.now)
    #: When the scheduler last pushed what its submitter could not.
    pushed_at = models.DateTimeField(_("pushed again at"), null=True)
    due_at = models.DateTimeField(_("due at"), null=True)
    enqueued_at = models.DateTimeField(_("queued at"), null=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    worker = models.CharField(_("worker"), max_length=255, blank=True)
    attempt_count = models.PositiveIntegerField(_("attempts"), default=0)
    progress = models.JSONField(_("progress"), null=True)
    result = models.TextField(_("result"), blank=True)
    result_size = models.PositiveIntegerField(_("result size, bytes"), default=0)
    error = models.CharField(_("error"), max_length=200, blank=True)
    message = models.TextField(_("message"), blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-created_at", "-id"]
        permissions = [
            ("submit_job", "Can submit jobs"),
            ("operate_job", "Can operate jobs, queues and workers"),
        ]
        constraints = [
            # Most jobs have no key, and then no entry here.
            models.UniqueConstraint(
                fields=["task", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="job_idempotency",
            ),
        ]
        indexes = [
            # The list of jobs, newest first, whole and by each filter.
            models.Index(fields=["-created_at", "-id"], name="job_newest"),
            models.Index(fields=["state", "-created_at"], name="job_state"),
            models.Index(fields=["queue", "-created_at"], name="job_queue"),
            models.Index(fields=["task", "-created_at"], name="job_task"),
            # The next delayed jobs.
            models.Index(
                fields=["state", "due_at"],
                condition=Q(due_at__isnull=False),
                name="job_due",
            ),
            # "Done and failed, last hour" and a queue's failures of a day.
            models.Index(
                fields=["state", "-ended_at"],
                condition=Q(ended_at__isnull=False),
                name="job_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.id}"

    def get_absolute_url(self) -> str:
        return reverse("jobs-detail", args=[self.id])

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def result_cut(self) -> bool:
        """Whether the ledger keeps less of the result than the task returned."""
        return len(self.result.encode()) < self.result_size

    def call(self) -> tuple[list[Any], dict[str, Any]]:
        return self.args, self.kwargs


class Dependency(models.Model):
    """One edge: `child` waits for `parent`. Ids, because either may be pruned."""

    child = models.CharField(_("waiting job"), max_length=255)
    parent = models.CharField(_("awaited job"), max_length=255)

    class Meta:
        verbose_name = _("dependency")
        verbose_name_plural = _("dependencies")
        constraints = [
            models.UniqueConstraint(fields=["child", "parent"], name="dependency_edge")
        ]
        indexes = [models.Index(fields=["parent"], name="dependency_parent")]

    def __str__(self) -> str:
        return f"{self.child} after {self.parent}"
