from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tasks.states import State


class Attempt(models.Model):
    """One try of a job, by one worker; RQ calls it an execution."""

    id = models.CharField(_("id"), max_length=64, primary_key=True)
    #: The job's id; no foreign key, so that events may arrive in any order.
    job_key = models.CharField(_("job"), max_length=255)
    number = models.PositiveIntegerField(_("number"), default=1)
    state = models.CharField(
        _("state"),
        max_length=16,
        choices=[(s.value, s.value) for s in State],
        default=State.STARTED,
    )
    #: The late result of an attempt that had lost its lease; it changed nothing.
    superseded = models.BooleanField(_("superseded"), default=False)
    worker = models.CharField(_("worker"), max_length=255, blank=True)
    host = models.CharField(_("host"), max_length=255, blank=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    error = models.CharField(_("error"), max_length=200, blank=True)
    message = models.TextField(_("message"), blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    log = models.TextField(_("log"), blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["number"]
        indexes = [
            models.Index(fields=["job_key", "number"], name="attempt_job"),
            # What a lost worker ran.
            models.Index(
                fields=["worker"],
                condition=models.Q(state=State.LOST.value),
                name="attempt_lost",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_key} #{self.number}"
