from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tasks.models.schedule import Schedule


class BackfillState(models.TextChoices):
    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    ABORTED = "aborted", _("aborted")
    DONE = "done", _("done")


class Reprocess(models.TextChoices):
    """Which moments of the range are run."""

    NONE = "none", _("those that never ran")
    FAILED = "failed", _("those that never ran or failed")
    ALL = "all", _("all of them")


class Backfill(models.Model):
    """Moments of a schedule's past that are run after all, a few at a time."""

    schedule = models.ForeignKey(
        Schedule, models.CASCADE, related_name="backfills", verbose_name=_("schedule")
    )
    first_at = models.DateTimeField(_("from"))
    #: Not included.
    last_at = models.DateTimeField(_("until"))
    reprocess = models.CharField(
        _("which moments"),
        max_length=8,
        choices=Reprocess.choices,
        default=Reprocess.NONE,
    )
    newest_first = models.BooleanField(_("newest first"), default=False)
    at_once = models.PositiveIntegerField(_("at once, at most"), default=1)
    state = models.CharField(
        _("state"),
        max_length=8,
        choices=BackfillState.choices,
        default=BackfillState.RUNNING,
    )
    #: Moments in all, and the last of them that was submitted.
    total = models.PositiveIntegerField(_("moments"), default=0)
    cursor = models.DateTimeField(_("submitted up to"), null=True)
    #: Ids of its jobs that had not ended when it was last looked at.
    unended = models.JSONField(_("jobs that go on"), default=list)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    created_by = models.CharField(_("created by"), max_length=200, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        verbose_name = _("backfill")
        verbose_name_plural = _("backfills")
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.first_at:%Y-%m-%d} – {self.last_at:%Y-%m-%d}"
