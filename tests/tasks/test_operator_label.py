from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection

from tasks.policy import LABELS

OPERATE = LABELS["tasks.operate_job"]


def operate() -> Permission:
    return Permission.objects.get(
        content_type__app_label="tasks", codename="operate_job"
    )


@pytest.mark.django_db
def test_an_older_installation_is_told_what_operators_may_do_now() -> None:
    Permission.objects.filter(pk=operate().pk).update(name="Can cancel jobs")
    migration = import_module("tasks.migrations.0007_operator_label")
    migration.rename(apps, connection.schema_editor())
    assert operate().name == OPERATE


@pytest.mark.django_db
def test_a_new_one_says_the_same() -> None:
    assert operate().name == OPERATE
