from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Epoch(models.Model):
    """What Redis was when it was last found to agree with the ledger: one row.

    A Redis that lost data says otherwise, until it has been refilled.
    """

    #: The random mark that stands in Redis as long as its data does.
    value = models.CharField(max_length=64, blank=True)
    #: The run of the server; another one may have come back with less than there was.
    server = models.CharField(max_length=64, blank=True)
    #: The last entry of the event stream.
    entry = models.CharField(max_length=64, blank=True)
    #: When a comparison last came to its end, and when the next one is to begin.
    compared_at = models.DateTimeField(_("compared at"), null=True)
    next_at = models.DateTimeField(_("next comparison at"), default=timezone.now)
    #: Since when Redis may have less than it had (it was started anew, say), and since
    #: when it is known to have; null when it has been compared, and refilled.
    doubted_at = models.DateTimeField(_("doubted since"), null=True)
    lost_at = models.DateTimeField(_("lost data at"), null=True)

    class Meta:
        verbose_name = _("epoch")
        verbose_name_plural = _("epochs")

    def __str__(self) -> str:
        return self.value
