"""Who may do what: one table from verbs to permissions, asked by every act."""

from __future__ import annotations

import getpass
from dataclasses import dataclass

from tasks.errors import PermissionMissing
from tasks.text import gettext as _
from tasks.text import gettext_noop

#: What each permission is called, for people; Django names the first.
LABELS = {
    "tasks.view_job": gettext_noop("Can view job"),
    "tasks.submit_job": gettext_noop("Can submit jobs"),
    "tasks.operate_job": gettext_noop("Can operate jobs, queues and workers"),
    "tasks.manage_schedule": gettext_noop("Can manage schedules and calendars"),
}

#: The permission that each verb needs; dashboard groups are made of these.
PERMISSIONS = {
    "view": "tasks.view_job",
    "submit": "tasks.submit_job",
    "cancel": "tasks.operate_job",
    "stop": "tasks.operate_job",
    "retry": "tasks.operate_job",
    "mark_failed": "tasks.operate_job",
    "pause": "tasks.operate_job",
    "resume": "tasks.operate_job",
    "quiet": "tasks.operate_job",
    "wake": "tasks.operate_job",
    "stop_worker": "tasks.operate_job",
    "schedule.manage": "tasks.manage_schedule",
    "run_now": "tasks.submit_job",
}


@dataclass(frozen=True)
class Actor:
    """Who acts, and by which door; `permissions` None means every one."""

    name: str
    via: str
    permissions: frozenset[str] | None = None

    def may(self, verb: str) -> bool:
        return self.permissions is None or PERMISSIONS[verb] in self.permissions

    def require(self, verb: str) -> None:
        """Raise PermissionMissing unless the actor may do `verb`."""
        if not self.may(verb):
            permission = PERMISSIONS[verb]
            raise PermissionMissing(verb, permission, _(LABELS[permission]))


def cli_actor() -> Actor:
    """Return the operating system's user, who may do everything and is audited."""
    return Actor(getpass.getuser(), "cli")


#: Submissions from code, which runs with the rights of its process.
CODE = Actor("code", "code")
