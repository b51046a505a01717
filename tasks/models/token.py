from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from datetime import timedelta

from django.db import OperationalError, models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

#: How often `last_used_at` is written at most.
USE_NOTED_EVERY = timedelta(minutes=1)

PREFIX = "ty"


class ApiToken(models.Model):
    """A bearer token of the REST API; only the hash of its secret is kept."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    key = models.CharField(_("key"), max_length=12, unique=True)
    digest = models.CharField(_("digest"), max_length=64)
    created_at = models.DateTimeField(_("made at"), default=timezone.now)
    last_used_at = models.DateTimeField(_("last used at"), null=True)
    read_only = models.BooleanField(_("read-only"), default=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, name: str, *, read_only: bool = False) -> str:
        """Make a token and return its text, which cannot be read again."""
        key, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        cls.objects.create(
            name=name, key=key, digest=_digest(secret), read_only=read_only
        )
        return f"{PREFIX}_{key}_{secret}"

    @classmethod
    def authenticate(cls, text: str) -> ApiToken | None:
        """Return the token that `text` is, or None; compares in constant time."""
        prefix, _sep, rest = text.partition("_")
        key, _sep, secret = rest.partition("_")
        token = cls.objects.filter(key=key).first() if prefix == PREFIX else None
        expected = token.digest if token else _digest("")
        matches = hmac.compare_digest(expected, _digest(secret))
        if token is None or not matches:
            return None
        token._note_use()
        return token

    def _note_use(self) -> None:
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at > USE_NOTED_EVERY:
            self.last_used_at = now
            # Somebody else writes for long: reading need not wait for that.
            with contextlib.suppress(OperationalError):
                self.save(update_fields=["last_used_at"])


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
