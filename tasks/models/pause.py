from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

#: What a pause may hold back, and what its `target` then names.
QUEUE = "queue"
SCOPES = [(QUEUE, _("queue"))]


class PauseQuerySet(models.QuerySet["Pause"]):
    def standing(self) -> PauseQuerySet:
        """Pauses that nobody closed; the end of some may have passed."""
        return self.filter(resumed_at=None)

    def in_force(self, now: datetime) -> PauseQuerySet:
        return self.standing().filter(Q(until=None) | Q(until__gt=now))

    def of_queue(self, name: str) -> PauseQuerySet:
        return self.filter(scope=QUEUE, target=name)

    def close_ended(self, now: datetime) -> int:
        """Write down that they ended when they were to; returns how many."""
        return self.standing().filter(until__lte=now).update(resumed_at=F("until"))


class Pause(models.Model):
    """Why jobs that could run may not start: who held back what, and until when.

    A row is kept after its end as history; at most one of a target is open.
    """

    scope = models.CharField(_("scope"), max_length=16, choices=SCOPES, default=QUEUE)
    target = models.CharField(_("target"), max_length=200)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    actor = models.CharField(_("paused by"), max_length=200)
    created_at = models.DateTimeField(_("paused at"), default=timezone.now)
    until = models.DateTimeField(_("ends at"), null=True)
    resumed_at = models.DateTimeField(_("resumed at"), null=True)
    #: "" where it ended by itself.
    resumed_by = models.CharField(_("resumed by"), max_length=200, blank=True)

    objects = PauseQuerySet.as_manager()

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "target"],
                condition=Q(resumed_at=None),
                name="pause_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.target}"

    def is_in_force(self, now: datetime) -> bool:
        return self.resumed_at is None and (self.until is None or self.until > now)
