from __future__ import annotations

import subprocess

import pytest

from tasks.builtin.shell import run_command
from tasks.schedules.crontab_commands import (
    TASK,
    TIMEOUT_SECONDS,
    call_for,
    name_for,
    plain_words,
    split_input,
)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/usr/bin/backup --all -n 5", ["/usr/bin/backup", "--all", "-n", "5"]),
        ("rsync\t-a  a/ b:c/", ["rsync", "-a", "a/", "b:c/"]),
        ("say 'it is $5 & more' \"a b\"", ["say", "it is $5 & more", "a b"]),
        ("date +%F", ["date", "+%F"]),
        ("tool --x=1,2 a''b", ["tool", "--x=1,2", "ab"]),
        ("备份 全部", ["备份", "全部"]),
    ],
)
def test_a_plain_command_needs_no_shell(command: str, words: list[str]) -> None:
    assert plain_words(command) == words
    assert call_for(command, {})["kwargs"]["command"] == words


@pytest.mark.parametrize(
    "command",
    [
        "a | b",
        "a && b",
        "a; b",
        "a &",
        "a > out 2>&1",
        "a < in",
        "a $HOME",
        'a "$HOME"',
        "a `b`",
        'a "`b`"',
        "a *.log",
        "a file?",
        "a [ab]",
        "a ~/x",
        "a # comment",
        "(a)",
        "{ a; }",
        "! a",
        r"a b\ c",
        'a "b\\"c"',
        "a 'unfinished",
        "A=1 b",
        "cd /srv",
        ". profile",
        "exec a",
        "''",
    ],
)
def test_what_only_a_shell_understands_goes_to_one(command: str) -> None:
    assert plain_words(command) == []
    assert call_for(command, {})["kwargs"]["command"] == ["/bin/sh", "-c", command]


@pytest.mark.parametrize(
    "command", ["printf %s, a 'b c' \"d e\" f=g h:i", "printf '%s\n' 'a  $b' \"*\" x@y"]
)
def test_plain_words_are_those_of_the_shell(command: str) -> None:
    words = plain_words(command.replace("\n", " "))
    assert words
    theirs = subprocess.run(
        ["/bin/sh", "-c", command.replace("\n", " ")], capture_output=True, check=True
    )
    ours = subprocess.run(words, capture_output=True, check=True)
    assert ours.stdout == theirs.stdout


def test_variables_are_set_by_env_and_those_for_cron_are_left_out() -> None:
    env = {"B": "x y", "A": "$1", "MAILTO": "me", "SHELL": "/bin/bash", "USER": "u"}
    command = call_for("job -v", env)["kwargs"]["command"]
    assert command == ["/usr/bin/env", "A=$1", "B=x y", "job", "-v"]


def test_the_shell_of_the_file_and_its_home_are_kept() -> None:
    kwargs = call_for("a | b", {"SHELL": "/bin/bash", "HOME": "/srv"})["kwargs"]
    assert kwargs["command"][2:] == ["/bin/bash", "-c", "a | b"]
    assert kwargs["folder"] == "/srv"


def test_the_call_fits_the_task() -> None:
    call = call_for("a | b", {"HOME": "/srv"})
    assert call["kwargs"]["timeout_seconds"] == TIMEOUT_SECONDS
    assert call["task"] == TASK == run_command.task.name
    run_command.task.signature.bind(call["args"], call["kwargs"])


@pytest.mark.parametrize(
    ("command", "read", "given"),
    [
        (r"date +\%F", "date +%F", None),
        ("date +%F", "date +", "F"),
        (r"a\%b % c % d", "a%b ", " c % d"),
        (r"a \\ \x", r"a \\ \x", None),
        (r"a \\% b", r"a \\", " b"),
        ("a%", "a", ""),
    ],
)
def test_a_bare_percent_sign_begins_the_input(
    command: str, read: str, given: str | None
) -> None:
    assert split_input(command) == (read, given)


def test_the_program_of_a_very_long_command_is_found_at_once() -> None:
    assert name_for("x" * 200_000) == "x" * 4_000
    assert name_for("/usr/bin/backup " + "x" * 200_000) == "backup"
