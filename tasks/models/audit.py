from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Audit(models.Model):
    """Who did what to which job, written in the same transaction as the act."""

    at = models.DateTimeField(_("time"), default=timezone.now)
    actor = models.CharField(_("actor"), max_length=200)
    via = models.CharField(_("by way of"), max_length=16)
    verb = models.CharField(_("action"), max_length=32)
    target = models.CharField(_("target"), max_length=255)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    result = models.CharField(_("result"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["target", "-at"], name="audit_target")]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.target}"
