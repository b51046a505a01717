from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Calendar(models.Model):
    """Days off and make-up working days, which schedules may keep to."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    #: As `tasks.schedules.calendars.Days` writes itself.
    days = models.JSONField(_("days"), default=dict)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now)
    changed_by = models.CharField(_("changed by"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("calendar")
        verbose_name_plural = _("calendars")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
