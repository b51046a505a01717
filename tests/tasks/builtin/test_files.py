from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tasks.builtin import _tree, files
from tasks.builtin.files import checksums
from tasks.errors import TaskFailed
from tasks.worker.context import JobContext, enter_job
from tests.tasks.builtin.memory import growth_in_mb


def make_tree(root: Path) -> None:
    (root / "sub").mkdir(parents=True)
    (root / "one.txt").write_text("same")
    (root / "sub" / "two.txt").write_text("same")
    (root / "other.txt").write_text("diff")
    (root / "long.bin").write_bytes(b"x" * 3_000_000)
    (root / "empty").touch()
    (root / "empty too").touch()


def problems_of(result: dict[str, Any]) -> dict[str, str]:
    return {Path(p["path"]).name: p["reason"] for p in result["problems"]["listed"]}


def test_it_hashes_every_file(tmp_path: Path) -> None:
    make_tree(tmp_path)
    result = checksums(tmp_path)
    assert result["files"] == 6
    assert result["bytes"] == 3_000_012
    largest = result["largest"]["listed"][0]
    assert largest["path"] == str(tmp_path / "long.bin")
    assert largest["checksum"] == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_it_finds_duplicates_and_not_files_of_the_same_size(tmp_path: Path) -> None:
    make_tree(tmp_path)
    duplicates = checksums(tmp_path)["duplicates"]
    assert (duplicates["groups"], duplicates["wasted_bytes"]) == (1, 4)
    names = {Path(path).name for path in duplicates["listed"][0]["paths"]}
    assert names == {"one.txt", "two.txt"}


def test_hard_links_are_no_duplicates(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("content")
    os.link(tmp_path / "one", tmp_path / "two")
    assert checksums(tmp_path)["duplicates"]["groups"] == 0


def test_only_duplicates_reads_only_files_that_share_their_size(tmp_path: Path) -> None:
    make_tree(tmp_path)
    result = checksums(tmp_path, only_duplicates=True)
    sums = {Path(f["path"]).name: f["checksum"] for f in result["largest"]["listed"]}
    assert sums["long.bin"] is None
    assert result["duplicates"]["groups"] == 1


def test_sha256sum_verifies_the_report(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    (tmp_path / "tree" / "new\nline").write_text("odd name")
    report = tmp_path / "report"
    checksums(tmp_path / "tree", report)
    subprocess.run(["sha256sum", "--check", "--strict", str(report)], check=True)
    assert len(report.read_bytes().splitlines()) == 7


def test_the_report_may_lie_in_the_tree(tmp_path: Path) -> None:
    make_tree(tmp_path)
    result = checksums(tmp_path, tmp_path)
    assert result["files"] == 6
    assert Path(result["report"]).parent == tmp_path


def test_it_does_not_overwrite_a_report(tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text("precious")
    with pytest.raises(TaskFailed, match="exists already"):
        checksums(tmp_path, report)
    assert report.read_text() == "precious"


def test_links_and_special_files_are_skipped_and_counted(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    (tmp_path / "tree" / "link").symlink_to("/etc")
    os.mkfifo(tmp_path / "tree" / "pipe")
    result = checksums(tmp_path / "tree")
    assert result["files"] == 6
    assert result["skipped"]["symlinks"] == 1
    assert result["skipped"]["special_files"] == 1


def test_unreadable_files_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path)
    real_open = os.open

    def refuse(path: bytes, flags: int, *rest: int) -> int:
        if path == os.fsencode(tmp_path / "one.txt"):
            raise PermissionError(13, "Permission denied")  # as for others than root
        return real_open(path, flags, *rest)

    monkeypatch.setattr(files.os, "open", refuse)
    result = checksums(tmp_path)
    assert problems_of(result) == {"one.txt": "Permission denied"}
    assert result["duplicates"]["groups"] == 0


def test_files_that_vanish_or_change_meanwhile_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path)
    real_index = _tree.Catalogue.index

    def interfere(found: _tree.Catalogue) -> None:
        (tmp_path / "one.txt").unlink()
        (tmp_path / "other.txt").write_text("longer")
        (tmp_path / "long.bin").unlink()
        os.mkfifo(tmp_path / "long.bin")
        real_index(found)

    monkeypatch.setattr(_tree.Catalogue, "index", interfere)
    assert problems_of(checksums(tmp_path)) == {
        "one.txt": "No such file or directory",
        "other.txt": "it changed while it was read",
        "long.bin": "it changed while it was read",
    }


def test_a_path_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match=f"There is no {tmp_path}/gone on this worker"):
        checksums(tmp_path / "gone")


def test_a_device_is_refused() -> None:
    with pytest.raises(TaskFailed, match="name a folder or a regular file"):
        checksums(Path("/dev/zero"))


def test_the_result_stays_small(tmp_path: Path) -> None:
    folder = tmp_path / ("n" * 200) / ("m" * 200)
    folder.mkdir(parents=True)
    for number in range(400):
        (folder / f"{'f' * 200}{number}").write_text(f"{number // 2}")
    result = checksums(tmp_path)
    assert len(json.dumps(result)) < 64_000
    assert result["duplicates"]["left_out"] == 200 - len(result["duplicates"]["listed"])
    assert result["largest"]["left_out"] == 400 - len(result["largest"]["listed"])


def test_names_that_are_not_utf8_can_be_kept_everywhere(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff\xfe", "w") as file:
        file.write("x")
    result = checksums(tmp_path)
    result["largest"]["listed"][0]["path"].encode("utf-8")


def test_progress_goes_up_to_the_end(tmp_path: Path) -> None:
    make_tree(tmp_path)
    seen: list[dict[str, Any]] = []
    enter_job(JobContext(id="1", sink=lambda kind, fields: seen.append(fields)))
    try:
        checksums(tmp_path)
    finally:
        enter_job(JobContext())
    assert seen[-1] == {"done": 1, "total": 1, "text": "6 / 6"}


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(300 << 20)
    grown = growth_in_mb(
        "from tasks.builtin.files import checksums",
        f"assert checksums({str(tmp_path)!r})['bytes'] == {300 << 20}",
    )
    assert grown < 30
