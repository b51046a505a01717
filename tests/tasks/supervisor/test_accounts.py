from __future__ import annotations

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import Group

from tasks.policy import PERMISSIONS
from tasks.supervisor import accounts
from tasks.supervisor.accounts import create_first_administrator, ensure_groups

pytestmark = pytest.mark.django_db

PAGE = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def keep_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "close_old_connections", lambda: None)


def permissions(group: str) -> set[str]:
    found = Group.objects.get(name=group).permissions
    return set(found.values_list("content_type__app_label", "codename"))


def test_viewers_see_and_operators_act() -> None:
    ensure_groups()
    assert permissions("viewer") == {("tasks", "view_job")}
    everything = {tuple(label.split(".")) for label in PERMISSIONS.values()}
    assert permissions("operator") == everything


def test_a_group_keeps_what_people_made_of_it() -> None:
    ensure_groups()
    Group.objects.get(name="operator").permissions.clear()
    ensure_groups()
    assert permissions("operator") == set()


def test_the_first_administrator_has_a_password_and_a_link() -> None:
    made = create_first_administrator(PAGE)
    assert made
    assert made.link.startswith(f"{PAGE}/")
    user = authenticate(username=made.name, password=made.password)
    assert user
    assert user.is_superuser


def test_a_second_start_makes_no_administrator() -> None:
    create_first_administrator(PAGE)
    assert create_first_administrator(PAGE) is None


def test_somebody_elses_administrator_is_enough() -> None:
    get_user_model().objects.create_superuser("root")
    assert create_first_administrator(PAGE) is None


def test_without_a_link_there_is_no_administrator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accounts.settings, "TASKYARD_SIGN_IN_LINK", "tests.no.such")
    with pytest.raises(ImportError):
        create_first_administrator(PAGE)
    assert not get_user_model().objects.exists()
