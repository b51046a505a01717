"""The command of a crontab's entry as a call of the task `run_command`.

That task takes the program and its arguments one by one, and any program. Cron hands
commands to a shell, so whatever only a shell understands goes to one here as well.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

TASK = "run_command"

#: The most that the task allows, because cron sets no limit at all.
TIMEOUT_SECONDS = 86_400

#: Variables that speak to cron; the others are for the command.
FOR_CRON = frozenset(
    {
        "CONTENT_TRANSFER_ENCODING",
        "CONTENT_TYPE",
        "LOGNAME",
        "MAILFROM",
        "MAILTO",
        "RANDOM_DELAY",
        "SHELL",
        "START_HOURS_RANGE",
        "USER",
    }
)

#: Words and quotes that mean to a shell what they mean to shlex.
_PLAIN = re.compile(r"""(?:[\w@%+:,./=^-]|'[^']*'|"[^"$`\\]*"|[ \t])+""")

#: First words that no program stands for, or another one than the shell's.
_OF_THE_SHELL = re.compile(
    r"[.:]|alias|bg|break|case|cd|command|continue|eval|exec|exit|export|for|function|if"
    r"|read|return|set|shift|source|time|times|trap|type|ulimit|umask|unset|until|wait"
    r"|while"
)

#: Characters of a command among which its program is looked for; cron takes 1,000.
_READ = 4_000

#: What stands before the program: a folder to work in, and variables.
_BEFORE = re.compile(r"(?:cd\s+\S+\s*(?:&&|;)\s*|[A-Za-z_]\w*=\S*\s+)+")


def split_input(command: str) -> tuple[str, str | None]:
    r"""Return the command with its \% as %, and its input if a bare % gives it one."""
    for found in re.finditer(r"\\.|%", command):
        if found[0] == "%":
            return _unescape(command[: found.start()]), command[found.end() :]
    return _unescape(command), None


def _unescape(command: str) -> str:
    escaped = re.compile(r"\\(.)")
    return escaped.sub(lambda found: "%" if found[1] == "%" else found[0], command)


def call_for(command: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the task and its arguments that run `command` with the variables `env`."""
    words = plain_words(command) or [env.get("SHELL") or "/bin/sh", "-c", command]
    passed = [f"{name}={env[name]}" for name in passed_names(env)]
    kwargs: dict[str, Any] = {
        "command": ["/usr/bin/env", *passed, *words] if passed else words,
        "timeout_seconds": TIMEOUT_SECONDS,
    }
    if env.get("HOME"):
        kwargs["folder"] = env["HOME"]
    return {"task": TASK, "args": [], "kwargs": kwargs}


def passed_names(env: Mapping[str, str]) -> list[str]:
    """Return which variables the command gets, in order."""
    return sorted(env.keys() - FOR_CRON)


def plain_words(command: str) -> list[str]:
    """Return a command's words, none where only a shell would know them."""
    if not _PLAIN.fullmatch(command):
        return []
    words = shlex.split(command)
    first = words[0] if words else ""
    return [] if not first or "=" in first or _OF_THE_SHELL.fullmatch(first) else words


def name_for(command: str) -> str:
    """Return the name of the program that a command starts, or its beginning."""
    words = _BEFORE.sub("", command[:_READ]).split() or [""]
    return PurePosixPath(words[0].strip("\"'(")).name or command[:50]
