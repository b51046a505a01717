from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tasks.models.calendar import Calendar


class Kind(models.TextChoices):
    """What makes the moments of a schedule."""

    CRON = "cron", _("cron expression")
    EVERY = "every", _("every so often, from start to start")
    AFTER = "after", _("so long after the end of the last run")
    ONCE = "once", _("once")


class Misfire(models.TextChoices):
    """What becomes of moments that passed while no scheduler ran."""

    SKIP = "skip", _("skip them")
    ONCE = "once", _("run once for all of them")
    ALL = "all", _("run each of them")


class Overlap(models.TextChoices):
    """What becomes of a moment that comes while an earlier job has not ended."""

    ALLOW = "allow", _("run beside it")
    SKIP = "skip", _("skip the new one")
    QUEUE_ONE = "queue_one", _("let one wait for its end")
    QUEUE_ALL = "queue_all", _("let all wait, one after the other")
    CANCEL = "cancel", _("ask it to end, then run")
    STOP = "stop", _("stop it and run")


class DayOff(models.TextChoices):
    """What becomes of a moment on a day off."""

    RUN = "run", _("run all the same")
    SKIP = "skip", _("skip it")
    NEXT = "next", _("move it to the next working day")
    PREVIOUS = "previous", _("move it to the working day before")


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    def due(self, now: datetime) -> ScheduleQuerySet:
        """Schedules that a scheduler has to look at, the longest awaited first."""
        return self.filter(enabled=True, look_at__lte=now).order_by("look_at", "pk")

    def overdue(self, since: datetime) -> ScheduleQuerySet:
        """Schedules that should have run before a moment, and have not."""
        # A look comes no later than a run, and it has the index.
        late = self.filter(enabled=True, look_at__lt=since, next_at__lt=since)
        return late.order_by("look_at", "pk")

    def awaiting_an_end(self) -> ScheduleQuerySet:
        """Schedules whose next moment depends on the end of their last job."""
        return self.filter(enabled=True).exclude(awaits="")


class Schedule(models.Model):
    """A rule that produces jobs, and how it behaves when it cannot keep to it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200, unique=True)

    task = models.CharField(_("task"), max_length=255)
    args = models.JSONField(_("arguments"), default=list)
    kwargs = models.JSONField(_("named arguments"), default=dict)
    #: "" and null: as the task says.
    queue = models.CharField(_("queue"), max_length=200, blank=True)
    timeout = models.IntegerField(_("timeout, seconds"), null=True)
    retries = models.PositiveIntegerField(_("retries"), null=True)
    tags = models.JSONField(_("tags"), default=list)
    at_front = models.BooleanField(_("before others"), default=False)

    kind = models.CharField(
        _("kind"), max_length=8, choices=Kind.choices, default=Kind.CRON
    )
    expression = models.CharField(_("expression"), max_length=500, blank=True)
    every = models.FloatField(_("every, seconds"), null=True)
    at = models.DateTimeField(_("moment"), null=True)
    zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    starts_at = models.DateTimeField(_("from"), null=True)
    ends_at = models.DateTimeField(_("until"), null=True)
    most_fires = models.PositiveIntegerField(_("runs at most"), null=True)
    #: Seconds; each schedule has a moment of its own within them.
    jitter = models.FloatField(_("spread over, seconds"), default=0)
    calendar = models.ForeignKey(
        Calendar, models.PROTECT, null=True, verbose_name=_("calendar")
    )
    on_day_off = models.CharField(
        _("on a day off"), max_length=8, choices=DayOff.choices, default=DayOff.SKIP
    )

    misfire = models.CharField(
        _("when moments were missed"),
        max_length=8,
        choices=Misfire.choices,
        default=Misfire.ONCE,
    )
    misfire_most = models.PositiveIntegerField(_("missed runs at most"), default=100)
    #: Seconds; null: however old.
    misfire_age = models.FloatField(_("missed runs not older than"), null=True)
    #: Seconds up to which a moment that was decided late counts as kept.
    grace = models.FloatField(_("grace, seconds"), default=60)
    overlap = models.CharField(
        _("when the last run goes on"),
        max_length=16,
        choices=Overlap.choices,
        default=Overlap.ALLOW,
    )

    enabled = models.BooleanField(_("enabled"), default=True)
    disabled_at = models.DateTimeField(_("disabled at"), null=True)
    #: What the code says, where it declares this schedule; null: a person made it.
    declared = models.JSONField(_("declared in code"), null=True)
    #: Field to who changed it and when, where a person's value stands before the code's.
    overrides = models.JSONField(_("changed by people"), default=dict)
    #: Since when the code no longer declares it.
    gone_at = models.DateTimeField(_("gone from the code at"), null=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    created_by = models.CharField(_("created by"), max_length=200, blank=True)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now)
    changed_by = models.CharField(_("changed by"), max_length=200, blank=True)
    #: Raised by each change, so that an edit of something older is refused.
    version = models.PositiveIntegerField(_("version"), default=1)

    #: The last due moment that was decided; moments after it are still to come.
    cursor = models.DateTimeField(_("decided until"), default=timezone.now)
    next_due_at = models.DateTimeField(_("next due at"), null=True)
    #: The next due moment and this schedule's share of the jitter.
    next_at = models.DateTimeField(_("next run at"), null=True)
    #: When a scheduler has to look at it: then, or before where a day off is to be noted.
    look_at = models.DateTimeField(_("next look at"), null=True)
    #: The job from whose end on the next moment is counted.
    awaits = models.CharField(_("awaits the end of"), max_length=255, blank=True)
    fired = models.PositiveIntegerField(_("runs so far"), default=0)
    #: The moment of which it was told that it is overdue, until it is decided.
    told_overdue_at = models.DateTimeField(_("told overdue at"), null=True)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["name"]
        permissions = [("manage_schedule", "Can manage schedules and calendars")]
        indexes = [
            # What is due, in its order, and when the next one is.
            models.Index(
                fields=["look_at", "id"],
                condition=Q(enabled=True, look_at__isnull=False),
                name="schedule_due",
            ),
            models.Index(
                fields=["awaits"], condition=~Q(awaits=""), name="schedule_awaits"
            ),
            models.Index(
                fields=["told_overdue_at"],
                condition=Q(told_overdue_at__isnull=False),
                name="schedule_told_overdue",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("schedules-detail", args=[self.name])

    @property
    def is_declared(self) -> bool:
        return self.declared is not None

    @property
    def is_spent(self) -> bool:
        """Whether it has run as often as it may."""
        return self.most_fires is not None and self.fired >= self.most_fires
