from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.conf import get_config, kept_secret, load_secret_key
from tasks.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _fresh_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    get_config.cache_clear()
    yield
    get_config.cache_clear()


def refusal() -> str:
    with pytest.raises(ConfigurationError) as caught:
        get_config()
    return str(caught.value)


def test_names_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_TASKS", "shop.jobs, more ,")
    assert get_config().taskyard_tasks == ("shop.jobs", "more")


def test_the_file_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taskyard.env").write_text("TASKYARD_TASKS=filed\nTASKYARD_SHELL=1\n")
    monkeypatch.setenv("TASKYARD_TASKS", "set")
    assert get_config().taskyard_tasks == ("set",)
    assert get_config().taskyard_shell is True


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "TASKYARD_TASKS",
            "tasks",
            "TASKYARD_TASKS: a module named tasks would hide Taskyard's own;"
            " rename your module, e.g. jobs.py",
        ),
        (
            "TASKYARD_TASKS",
            "a-b",
            "TASKYARD_TASKS: 'a-b' is not the name of a Python module",
        ),
        (
            "TASKYARD_RQ_MODULES",
            "shop.*.x",
            "TASKYARD_RQ_MODULES: 'shop.*.x' is neither a module nor a pkg.* prefix",
        ),
        (
            "REDIS_URL",
            "http://x",
            "REDIS_URL: must begin with redis://, rediss:// or unix://",
        ),
        (
            "SECRET_KEY",
            "short",
            "SECRET_KEY: is shorter than 32 characters; leave it out and one is made",
        ),
        ("TASKYARD_LANGUAGE", "de", "TASKYARD_LANGUAGE: must be one of en, zh-hans"),
        ("TASKYARD_SHELL", "perhaps", "TASKYARD_SHELL: must be true or false"),
        (
            "TASKYARD_RECOVERY_DAYS",
            "0",
            "TASKYARD_RECOVERY_DAYS: must be at least 1",
        ),
    ],
)
def test_a_wrong_value_is_named(
    name: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert refusal() == expected


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh-hans"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "zh_CN"}, "zh-hans"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "", "TASKYARD_LANGUAGE": "en"}, "en"),
        ({"LC_ALL": "C", "TASKYARD_LANGUAGE": "zh-hans"}, "zh-hans"),
    ],
)
def test_the_language_is_set_or_the_system_s(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "TASKYARD_LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert get_config().language() == language


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "nowhere")
    monkeypatch.setenv("TASKYARD_SHELL", "perhaps")
    assert {line.partition(":")[0] for line in refusal().splitlines()} == {
        "REDIS_URL",
        "TASKYARD_SHELL",
    }


def test_the_broker_is_the_embedded_one_unless_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setenv("TASKYARD_DATA", str(tmp_path))
    assert get_config().broker_url() == f"unix://{tmp_path}/redis.sock"
    (tmp_path / "redis.url").write_text("unix:///elsewhere.sock\n")
    assert get_config().broker_url() == "unix:///elsewhere.sock"


def test_the_data_folder_is_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_DATA", "here")
    assert get_config().taskyard_data == Path.cwd() / "here"


def test_the_secret_key_is_made_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    monkeypatch.setenv("TASKYARD_DATA", str(tmp_path / "data"))
    first = load_secret_key()
    assert len(first) == 50
    assert load_secret_key() == first


def test_a_kept_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    kept_secret(tmp_path / "secret", 40)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
