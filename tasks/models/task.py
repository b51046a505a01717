from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class TaskRecord(models.Model):
    """A task as some process of ours last registered it, for the admin and for search."""

    name = models.CharField(_("name"), max_length=255, primary_key=True)
    path = models.CharField(_("path"), max_length=255)
    queue = models.CharField(_("queue"), max_length=200)
    timeout = models.IntegerField(_("timeout, seconds"))
    retries = models.PositiveIntegerField(_("retries"), default=0)
    description = models.TextField(_("description"), blank=True)
    tags = models.JSONField(_("tags"), default=list)
    is_async = models.BooleanField(_("async"), default=False)
    schema = models.JSONField(_("schema"), default=dict)
    seen_at = models.DateTimeField(_("last seen at"), default=timezone.now)

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
