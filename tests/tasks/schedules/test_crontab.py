from __future__ import annotations

import pytest

from tasks.schedules.crontab import Entry
from tasks.schedules.problems import Problem
from tests.tasks.schedules.crontabs import entry, problem, read

#: As Debian 12 ships it.
DEBIAN = r"""
# /etc/crontab: system-wide crontab
# Unlike any other crontab you don't have to run the `crontab'
# command to install the new version when you edit this file
# and files in /etc/cron.d. These files also have username fields,
# that none of the other crontabs do.

SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin

# Example of job definition:
# .---------------- minute (0 - 59)
# |  .------------- hour (0 - 23)
# |  |  .---------- day of month (1 - 31)
# |  |  |  .------- month (1 - 12) OR jan,feb,mar,apr ...
# |  |  |  |  .---- day of week (0 - 6) (Sunday=0 or 7) OR sun,mon,tue,wed,thu,fri,sat
# |  |  |  |  |
# *  *  *  *  * user-name command to be executed
17 *	* * *	root	cd / && run-parts --report /etc/cron.hourly
25 6	* * *	root	test -x /usr/sbin/anacron || { cd / && run-parts /etc/cron.daily; }
#
"""


def test_an_entry_has_its_line_moment_and_command() -> None:
    found = entry("5 4 * * sun  /usr/bin/backup --all  \n", zone="Asia/Shanghai")
    assert found == Entry(
        line=1,
        name="backup",
        expression="5 4 * * SUN",
        zone="Asia/Shanghai",
        command="/usr/bin/backup --all",
    )


def test_lines_count_from_one_with_all_that_is_skipped() -> None:
    found = read("# a\n\n* * * * * a\nX=1\n\t* * * * * b\r\nnonsense")
    assert [one.line for one in found] == [3, 5, 6]


def test_the_crontab_of_debian() -> None:
    hourly, daily = read(DEBIAN, system=True)
    assert isinstance(hourly, Entry)
    assert isinstance(daily, Entry)
    assert (hourly.line, hourly.expression) == (18, "17 * * * *")
    assert hourly.user == "root"
    assert hourly.command == "cd / && run-parts --report /etc/cron.hourly"
    assert hourly.env["PATH"].startswith("/usr/local/sbin:")
    assert (hourly.name, daily.name) == ("run-parts", "test")
    path = f"PATH={hourly.env['PATH']}"
    assert hourly.call["kwargs"]["command"] == [
        "/usr/bin/env",
        path,
        "/bin/sh",
        "-c",
        hourly.command,
    ]


# Moments.


@pytest.mark.parametrize(
    ("written", "expression"),
    [
        ("*/5 * * * *", "*/5 * * * *"),
        ("0\t9\t*\t*\tmon-fri", "0 9 * * MON-FRI"),
        ("0 0 1,15 * 3", "0 0 1,15 * 3"),
        ("0 22-23/1 * jan,Feb 7", "0 22-23/1 * JAN,FEB 7"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@Weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("-*/5 * * * *", "*/5 * * * *"),
    ],
)
def test_moments(written: str, expression: str) -> None:
    found = entry(f"{written} job")
    assert (found.expression, found.command) == (expression, "job")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("@reboot /usr/bin/agent", "@reboot runs when a machine starts"),
        ("0~59 9 * * * job", "0~59 stands for a random time: use jitter"),
        ("~ 9 * * * job", "~ stands for a random time: use jitter"),
        ("60 9 * * * job", "60 lies outside 0 to 59"),
        ("0 0 31 2 * job", "never fires"),
        ("@fortnightly job", "@fortnightly is not one of"),
        ("0 9 * * *", "it has no command"),
        ("@daily", "it has no command"),
        ("0 9 * *", "it has neither five fields of time nor a variable"),
        ("-", "it has neither five fields of time nor a variable"),
        ("<html>", "it has neither five fields of time nor a variable"),
        ("0 9 * * * a\0b", "its text has a NUL character"),
        ("A=a\ud800b", "it is not valid UTF-8 text"),
        (
            "0 9 * * * root job",
            "“root” is a user and no command: is this a system's crontab?",
        ),
    ],
)
def test_what_no_schedule_can_be_is_a_problem(line: str, words: str) -> None:
    assert words in problem(line)


def test_a_command_that_reads_is_a_problem_with_the_way_out() -> None:
    assert problem("0 9 * * * mail me%hello") == (
        "the first % ends its command and what follows is its input, which tasks do not"
        r" have: write \% for the sign itself, or put both into a script"
    )
    assert entry(r"0 9 * * * date +\%F").command == "date +%F"


def test_a_problem_shows_its_line_and_the_others_are_read_on() -> None:
    first, second = read("@reboot a\n0 9 * * * b")
    assert isinstance(first, Problem)
    assert (first.line, first.text) == (1, "@reboot a")
    assert str(first).startswith("line 1: @reboot runs")
    assert isinstance(second, Entry)


def test_a_file_that_is_too_large_is_one_problem() -> None:
    assert problem("#" * 1_000_001) == "the file is larger than 1 MB"


# Users.


def test_a_system_has_a_user_before_the_command() -> None:
    found = entry("@daily\twww-data\t/usr/bin/php  -f x.php", system=True)
    assert (found.user, found.command) == ("www-data", "/usr/bin/php  -f x.php")


def test_a_users_crontab_read_as_a_systems_is_told() -> None:
    words = "/usr/bin/php is no user: is this the crontab of one user?"
    assert problem("0 9 * * * /usr/bin/php x", system=True) == words
    assert problem("0 9 * * * php", system=True) == "it has no command"
    assert problem("0 9 * * *", system=True) == "it has no command"


# Variables.


def test_variables_hold_for_the_lines_below() -> None:
    text = """
        A=1
        0 1 * * * x
        "B" = " two "
        C='three'
        D=
        E=it's
        0 2 * * * x
    """
    first, second = read(text)
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert first.env == {"A": "1"}
    wanted = {"A": "1", "B": " two ", "C": "three", "D": "", "E": "it's"}
    assert second.env == wanted


def test_zones_hold_for_the_lines_below() -> None:
    text = """
        0 1 * * * a
        TZ=:Europe/Berlin
        0 1 * * * b
        CRON_TZ=Asia/Shanghai
        0 1 * * * c
        CRON_TZ=
        0 1 * * * d
        TZ=""
        0 1 * * * e
    """
    found = [one for one in read(text) if isinstance(one, Entry)]
    zones = ["UTC", "Europe/Berlin", "Asia/Shanghai", "Europe/Berlin", "UTC"]
    assert [one.zone for one in found] == zones
    assert found[2].env == {"TZ": ":Europe/Berlin"}


def test_a_zone_that_does_not_exist_spoils_the_entries_that_depend_on_it() -> None:
    text = """
        CRON_TZ=Asia/Shangai
        0 1 * * * a
        CRON_TZ=Asia/Shanghai
        0 1 * * * b
    """
    unknown, spoilt, fine = read(text)
    assert isinstance(unknown, Problem)
    assert isinstance(spoilt, Problem)
    assert isinstance(fine, Entry)
    assert "Did you mean Asia/Shanghai?" in unknown.reason
    assert spoilt.reason == "the CRON_TZ above it names no time zone"
    assert (spoilt.line, fine.zone) == (2, "Asia/Shanghai")
