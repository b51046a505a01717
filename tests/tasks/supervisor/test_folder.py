from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tasks.errors import ConfigurationError
from tasks.supervisor.folder import REDIS_URL_NAME, held_folder, noted


def test_one_process_holds_a_folder(tmp_path: Path) -> None:
    with (
        held_folder(tmp_path),
        pytest.raises(ConfigurationError, match="runs on the data folder"),
        held_folder(tmp_path),
    ):
        pass


def test_a_folder_that_was_let_go_can_be_held_again(tmp_path: Path) -> None:
    for _ in range(2):
        with held_folder(tmp_path):
            assert (tmp_path / "up.lock").exists()


def test_a_folder_that_it_makes_is_its_owners(tmp_path: Path) -> None:
    with held_folder(tmp_path / "a" / "b"):
        assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with (
        pytest.raises(ConfigurationError, match=r"x cannot be written \(File exists\)"),
        held_folder(tmp_path / "x"),
    ):
        pass


def test_the_address_of_redis_is_noted_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "redis.url"
    path.write_text("left by one that was killed")
    path.chmod(0o644)
    with noted(tmp_path, REDIS_URL_NAME, "unix:///x"):
        assert path.read_text() == "unix:///x\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
