from __future__ import annotations

import getpass

import pytest

from tasks import policy
from tasks.errors import PermissionMissing
from tasks.models import Job, Schedule
from tasks.policy import CODE, LABELS, PERMISSIONS, Actor, cli_actor


@pytest.mark.parametrize("verb", sorted(PERMISSIONS))
def test_each_verb_needs_its_permission(verb: str) -> None:
    needed = PERMISSIONS[verb]
    assert Actor("a", "web", frozenset({needed})).may(verb)
    others = frozenset(PERMISSIONS.values()) - {needed}
    with pytest.raises(PermissionMissing) as caught:
        Actor("a", "web", others).require(verb)
    said = f"This needs the permission “{LABELS[needed]}” ({needed})."
    assert str(caught.value) == said


@pytest.mark.parametrize("verb", sorted(PERMISSIONS))
def test_code_and_the_command_line_may_do_everything(verb: str) -> None:
    assert CODE.may(verb)
    assert cli_actor().may(verb)


def test_the_command_line_acts_as_the_system_user() -> None:
    assert (cli_actor().name, cli_actor().via) == (getpass.getuser(), "cli")


def _permissions() -> list[tuple[str, str]]:
    return [*Job._meta.permissions, *Schedule._meta.permissions]


def test_every_permission_exists_in_the_models() -> None:
    own = {f"tasks.{code}" for code, _name in _permissions()}
    default = {f"tasks.{verb}_job" for verb in Job._meta.default_permissions}
    assert set(PERMISSIONS.values()) <= own | default


def test_what_an_operator_may_do_is_called_the_same_everywhere() -> None:
    for code, name in _permissions():
        assert LABELS[f"tasks.{code}"] == name
    assert set(LABELS) == set(PERMISSIONS.values())


def test_a_missing_permission_is_named_in_the_readers_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policy, "_", lambda label: f"« {label} »")
    with pytest.raises(PermissionMissing, match="“« Can operate jobs"):
        Actor("a", "web", frozenset()).require("quiet")
