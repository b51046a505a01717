"""Translation that also works where Django's settings were never loaded.

The registry, the errors and the worker's context are imported by stock RQ workers too;
there a message stays English.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _django_gettext
from django.utils.translation import ngettext as _django_ngettext


def gettext(message: str) -> str:
    """Return `message` in the active language, or as it is without Django settings."""
    return _django_gettext(message) if settings.configured else message


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the form for `number`, in the active language where there is one."""
    if settings.configured:
        return _django_ngettext(singular, plural, number)
    return singular if number == 1 else plural
