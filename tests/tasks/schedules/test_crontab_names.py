from __future__ import annotations

import pytest

from tasks.schedules.crontab import Entry, read_crontab
from tests.tasks.schedules.crontabs import entry


@pytest.mark.parametrize(
    ("above", "name"),
    [
        ("# Nightly backup", "Nightly backup"),
        ("#### --- Nightly backup --- ####", "Nightly backup"),
        ("# one\n# Backup of /var/www (all)", "Backup of /var/www (all)"),
        ("# 每晚备份", "每晚备份"),
        ("# Nightly backup\n", "job.sh"),
        ("# Nightly\nA=1", "job.sh"),
        ("# --------", "job.sh"),
        ("# m h  dom mon dow   command", "job.sh"),
        ("# 0 9 * * * old", "job.sh"),
        ("#@daily old", "job.sh"),
        ("# 5 things to do", "5 things to do"),
    ],
)
def test_the_comment_directly_above_is_the_name(above: str, name: str) -> None:
    (found,) = read_crontab(f"{above}\n0 9 * * * /opt/job.sh\n", zone="UTC")
    assert isinstance(found, Entry)
    assert found.name == name


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("cd /srv/app && ./manage.py clearsessions", "manage.py"),
        ("A=1 B=2 /bin/x y", "x"),
        ('"/opt/my job" a', "my"),
        ("(sleep 5; x)", "sleep"),
        ("$(x)", "$(x)"),
        (">", "crontab 1"),
    ],
)
def test_without_a_comment_the_program_is_the_name(command: str, name: str) -> None:
    found = entry(f"0 9 * * * {command}")
    assert found.name == name


# What will be different.


def test_what_will_be_different_is_told() -> None:
    text = """
        MAILTO=ops@example.com
        RANDOM_DELAY=30
        TZ=Asia/Shanghai
        0 9 * * * www-data job
    """
    assert entry(text, system=True).notes == [
        "Cron ran it as www-data; the workers run it as their own user.",
        "Cron mailed its output to ops@example.com; here it stays with the job.",
        "Cron delayed it by up to 30 minutes: give it a jitter.",
        "TZ=Asia/Shanghai is taken for its times as well, which some crons do and others"
        " do not: check its zone.",
        "Its variables (TZ) become arguments, which everybody can read who may see the"
        " schedule.",
    ]


def test_where_nothing_is_different_nothing_is_told() -> None:
    assert entry('MAILTO=""\nCRON_TZ=Asia/Shanghai\n0 9 * * * job').notes == []
    found = entry("TZ=Asia/Shanghai\nCRON_TZ=UTC\n0 9 * * * job")
    assert len(found.notes) == 1
