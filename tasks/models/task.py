from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class TaskRecord(models.Model):
    """A task as some process of ours last registered it, for the admin and for search."""

    name = models.CharField(max_length=255, primary_key=True)
    path = models.CharField(max_length=255)
    queue = models.CharField(max_length=200)
    timeout = models.IntegerField()
    retries = models.PositiveIntegerField(default=0)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=list)
    is_async = models.BooleanField(default=False)
    schema = models.JSONField(default=dict)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
