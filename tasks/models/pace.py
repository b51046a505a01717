from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Pace(models.Model):
    """How far the catching up of missed moments is spread: one row."""

    #: When the next job that catches up may start.
    free_at = models.DateTimeField(_("free at"))

    class Meta:
        verbose_name = _("pace")
        verbose_name_plural = _("paces")

    def __str__(self) -> str:
        return self.free_at.isoformat()
