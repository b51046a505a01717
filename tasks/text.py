"""Translation that also works where Django's settings were never loaded.

The registry, the errors and the worker's context are imported by stock RQ workers too;
there a message stays English, as it does while the settings are being loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from django.apps import apps
from django.conf import settings
from django.utils.translation import gettext as _django_gettext
from django.utils.translation import ngettext as _django_ngettext
from django.utils.translation import pgettext as _django_pgettext


def _can_translate() -> bool:
    return settings.configured and apps.apps_ready


def gettext(message: str) -> str:
    """Return `message` in the active language, or as it is without Django settings."""
    return _django_gettext(message) if _can_translate() else message


def gettext_noop(message: str) -> str:
    """Mark `message` for translation where it is shown; Django's own needs settings."""
    return message


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the form for `number`, in the active language where there is one."""
    if _can_translate():
        return _django_ngettext(singular, plural, number)
    return singular if number == 1 else plural


def pgettext(context: str, message: str) -> str:
    """Return `message` as `context` means it, in the active language."""
    return _django_pgettext(context, message) if _can_translate() else message


def sentence_gap() -> str:
    """Return what stands between two sentences: a space, or nothing as in Chinese."""
    pattern = pgettext("two sentences", "%(first)s %(second)s")
    return pattern % {"first": "", "second": ""}


def join_sentences(*sentences: str) -> str:
    return sentence_gap().join(sentence for sentence in sentences if sentence)


def name_problem(field: str, problem: str) -> str:
    """Return `problem` behind the name of its field; "" concerns the whole."""
    pattern = gettext("%(field)s: %(problem)s")
    return pattern % {"field": field, "problem": problem} if field else problem


def join_problems(problems: Mapping[str, str]) -> str:
    """Return in one line what is wrong with each field."""
    pattern = pgettext("two problems", "%(first)s; %(second)s")
    named = [name_problem(field, problem) for field, problem in problems.items()]
    return (
        reduce(lambda a, b: pattern % {"first": a, "second": b}, named) if named else ""
    )
