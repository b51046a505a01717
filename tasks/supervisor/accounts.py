"""The first administrator, and the groups that rights are given by."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import close_old_connections, transaction
from django.utils.module_loading import import_string

from tasks.policy import PERMISSIONS

FIRST_USER = "admin"

#: What the members of each group may do.
GROUPS = {"viewer": ("view",), "operator": tuple(PERMISSIONS)}

#: Bytes of randomness in a password; it is shown as text a third longer.
PASSWORD_BYTES = 12


@dataclass(frozen=True)
class Credentials:
    """What a person needs for the first sign-in."""

    name: str
    password: str
    link: str


def ensure_groups() -> None:
    """Create the groups that are not there; one that is keeps what people gave it."""
    for name, verbs in GROUPS.items():
        group, created = Group.objects.get_or_create(name=name)
        if created:
            group.permissions.set(_permissions(verbs))


def _permissions(verbs: tuple[str, ...]) -> list[Permission]:
    labels = {PERMISSIONS[verb] for verb in verbs}
    return [
        Permission.objects.get(content_type__app_label=app, codename=codename)
        for app, _dot, codename in (label.partition(".") for label in sorted(labels))
    ]


def create_first_administrator(base_url: str) -> Credentials | None:
    """Create the administrator of a new installation; None where there is one.

    The password is kept nowhere but in its hash, so it must be shown now.
    """
    users = get_user_model().objects
    close_old_connections()
    if users.filter(is_superuser=True).exists() or _name_taken():
        return None
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    make_link: Callable[..., str] = import_string(settings.TASKYARD_SIGN_IN_LINK)
    with transaction.atomic():
        user = users.create_superuser(FIRST_USER, password=password)
        return Credentials(FIRST_USER, password, make_link(user, base_url))


def _name_taken() -> bool:
    users = get_user_model()
    return users.objects.filter(**{users.USERNAME_FIELD: FIRST_USER}).exists()
