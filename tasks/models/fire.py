from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tasks.models.backfill import Backfill
from tasks.models.schedule import Schedule


class Verdict(models.TextChoices):
    """What was decided of a due moment."""

    RAN = "ran", _("ran")
    LATE = "late", _("ran late")
    SKIPPED = "skipped", _("skipped")
    MISSED = "missed", _("missed")
    PAUSED = "paused", _("disabled")
    EXCLUDED = "excluded", _("day off")
    REFUSED = "refused", _("refused")


#: Those of which a job came.
SUBMITTED = (Verdict.RAN, Verdict.LATE)


class FireQuerySet(models.QuerySet["Fire"]):
    def submitted(self) -> FireQuerySet:
        return self.filter(verdict__in=SUBMITTED)

    def newest_jobs_of(self, schedule: Schedule) -> FireQuerySet:
        """Fires of which jobs came, but for those of backfills, the newest first."""
        own = self.filter(schedule=schedule, backfill=None).exclude(job_key="")
        return own.order_by("-due_at")

    def between(self, first: datetime, last: datetime) -> FireQuerySet:
        return self.filter(due_at__gte=first, due_at__lt=last)


class Fire(models.Model):
    """One due moment of a schedule and what was decided of it, in one transaction with
    the job that came of it.
    """

    # The indexes below begin with both foreign keys.
    schedule = models.ForeignKey(
        Schedule,
        models.CASCADE,
        related_name="fires",
        verbose_name=_("schedule"),
        db_index=False,
    )
    #: Without jitter; what makes the moment this one.
    due_at = models.DateTimeField(_("due at"))
    #: What the rule said, where a calendar moved it.
    nominal_at = models.DateTimeField(_("by the rule at"), null=True)
    verdict = models.CharField(_("decision"), max_length=8, choices=Verdict.choices)
    job_key = models.CharField(_("job"), max_length=255, blank=True)
    #: The job because of which this one was skipped.
    blocked_by = models.CharField(_("blocked by"), max_length=255, blank=True)
    decided_at = models.DateTimeField(_("decided at"))
    #: A word for the reason, and what is needed to say it in a sentence.
    reason = models.CharField(_("reason"), max_length=32, blank=True)
    facts = models.JSONField(_("facts"), default=dict)
    #: Moments that this row stands for, of which `due_at` is the last.
    count = models.PositiveIntegerField(_("moments"), default=1)
    backfill = models.ForeignKey(
        Backfill, models.CASCADE, null=True, related_name="fires", db_index=False
    )

    objects = FireQuerySet.as_manager()

    class Meta:
        verbose_name = _("fire")
        verbose_name_plural = _("fires")
        ordering = ["-due_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "due_at"],
                condition=Q(backfill=None),
                name="fire_once",
            ),
            models.UniqueConstraint(
                fields=["backfill", "due_at"],
                condition=Q(backfill__isnull=False),
                name="backfill_once",
            ),
        ]
        indexes = [
            models.Index(fields=["schedule", "-due_at"], name="fire_newest"),
            # The newest jobs of a schedule, however many moments were skipped since.
            models.Index(
                fields=["schedule", "backfill", "-due_at"],
                condition=~Q(job_key=""),
                name="fire_newest_job",
            ),
            models.Index(fields=["job_key"], condition=~Q(job_key=""), name="fire_job"),
            # What was refused of late, which is rare.
            models.Index(
                fields=["-decided_at"],
                condition=Q(verdict=Verdict.REFUSED),
                name="fire_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.due_at.isoformat()}"
