#!/usr/bin/env python
"""Taskyard's command line: `manage.py help` lists the commands."""

from __future__ import annotations

import os
import select
import sys

from tasks.conf import get_config
from tasks.errors import TasksError

#: What a shell reports for a program that Ctrl-C ended.
INTERRUPTED = 130

#: What it reports for one whose reader has gone, as `head` does.
UNREAD = 141


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    apply_data_folder(sys.argv)
    # Django is imported late, because it reads the settings, which may be wrong.
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except (TasksError, ImproperlyConfigured) as error:
        return complain(error)
    except ModuleNotFoundError as error:
        if error.name not in get_config().taskyard_apps:
            raise
        return complain(f"TASKYARD_APPS: there is no module {error.name}.")
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        if is_heard():
            raise
        return UNREAD
    return 0


def is_heard() -> bool:
    """Say whether somebody reads what is printed; if not, let the rest go nowhere."""
    standing = select.poll()
    standing.register(sys.stdout, 0)
    if not standing.poll(0):
        return True
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return False


def complain(about: object) -> int:
    """Say what cannot work and return the exit code for it."""
    print(f"Taskyard: {about}", file=sys.stderr)  # noqa: T201
    return 2


def apply_data_folder(argv: list[str]) -> None:
    """Put `up --data DIR` into the environment, from which the settings are read."""
    if argv[1:2] != ["up"]:
        return
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        if word == "--data" and following:
            os.environ["TASKYARD_DATA"] = following
        elif word.startswith("--data="):
            os.environ["TASKYARD_DATA"] = word.removeprefix("--data=")


if __name__ == "__main__":
    sys.exit(main())
