from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

#: Who noticed: a scheduler, by a lease that ended, or the supervisor on the same host.
LEASE, SUPERVISOR = "lease", "supervisor"
NOTICERS = [(LEASE, _("lease")), (SUPERVISOR, _("supervisor"))]


class RecoveryQuerySet(models.QuerySet["Recovery"]):
    def standing(self) -> RecoveryQuerySet:
        """Losses of workers that did not come back."""
        return self.filter(returned_at=None)

    def noticed_since(self, moment: datetime) -> RecoveryQuerySet:
        return self.filter(noticed_at__gte=moment)

    def noticed_before(self, moment: datetime) -> RecoveryQuerySet:
        return self.filter(noticed_at__lt=moment)


class Recovery(models.Model):
    """The loss of one worker: when it was last heard of, and who noticed when.

    Its attempts that ended then are lost; the rows of their jobs say what became of them.
    """

    worker = models.CharField(_("worker"), max_length=255, unique=True)
    host = models.CharField(_("host"), max_length=255, blank=True)
    pid = models.PositiveIntegerField(_("process"), default=0)
    queues = models.JSONField(_("queues"), default=list)
    #: As the worker last told: jobs that it could run at once, and those that it ran.
    slots = models.PositiveIntegerField(_("slots"), default=0)
    running = models.PositiveIntegerField(_("running"), default=0)
    #: Null where Redis had forgotten the worker by then.
    last_seen_at = models.DateTimeField(_("last seen at"), null=True)
    noticed_at = models.DateTimeField(_("noticed at"))
    noticed_by = models.CharField(
        _("noticed by"), max_length=16, choices=NOTICERS, default=LEASE
    )
    #: When it beat again: it had been frozen, or cut off.
    returned_at = models.DateTimeField(_("came back at"), null=True)

    objects = RecoveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("recovery")
        verbose_name_plural = _("recoveries")
        ordering = ["-noticed_at", "-id"]
        indexes = [models.Index(fields=["-noticed_at"], name="recovery_newest")]

    def __str__(self) -> str:
        return self.worker
