"""What `manage.py up` says once its pages answer."""

from __future__ import annotations

import socket

from tasks.broker.embedded import EmbeddedServer
from tasks.conf import Config
from tasks.supervisor.accounts import Credentials
from tasks.supervisor.options import EVERY_ADDRESS, Options, join_address
from tasks.text import gettext as _


def banner(
    options: Options,
    config: Config,
    server: EmbeddedServer | None,
    credentials: Credentials | None,
) -> str:
    """Return where Taskyard is, how to get in and how to end it."""
    lines = ["", _("Taskyard runs at %(url)s") % {"url": options.base_url}]
    if credentials:
        lines += _sign_in_lines(credentials)
    if server and server.listen:
        lines += _join_lines(server, server.listen[0], config)
    return "\n".join([*lines, _("Stop it with Ctrl-C."), ""])


def _sign_in_lines(credentials: Credentials) -> list[str]:
    return [
        _("Sign in by this link, which works once: %(link)s")
        % {"link": credentials.link},
        _("or as %(name)s with the password %(password)s (shown only now).")
        % {"name": credentials.name, "password": credentials.password},
    ]


def _join_lines(server: EmbeddedServer, host: str, config: Config) -> list[str]:
    """Return the line that starts a worker on a second machine."""
    if host in EVERY_ADDRESS:
        host = socket.gethostname()
    url = server.join_url(join_address(host, 0).removesuffix(":0"))
    tasks = ",".join(config.taskyard_tasks)
    named = f"TASKYARD_TASKS={tasks} " if tasks else ""
    return [
        _("A second machine joins, in a clone of the project, by:"),
        f"  REDIS_URL={url} {named}.venv/bin/python manage.py worker",
    ]
