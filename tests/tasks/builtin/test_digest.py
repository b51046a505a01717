from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tasks.builtin import _log
from tasks.builtin.digest import digest_file
from tasks.errors import TaskFailed
from tests.tasks.builtin.memory import growth_in_mb

LOG = """\
2026-11-21 03:10:00,123 INFO app: request 1 took 10 ms
2026-11-21 03:20:00,123 INFO app: request 2 took 20 ms
2026-11-21 04:10:00,123 ERROR app: request 3 took 900 ms
Traceback (most recent call last):

2026-11-21 04:20:00,123 WARNING disk nearly full
"""

CSV = "name,amount,city\nann,10,Oslo\nbob,20,Ulm\ncid,,Oslo\ndot,x,\n"


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def column(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in result["columns"] if c["name"] == name)


def test_a_log_is_counted(tmp_path: Path) -> None:
    result = digest_file(write(tmp_path / "app.log", LOG))
    assert (result["lines"], result["empty_lines"]) == (6, 1)
    assert result["levels"] == {"INFO": 2, "ERROR": 1, "WARNING": 1}
    assert result["lines_without_level"] == 1
    assert result["hours"]["busiest"] == {"2026-11-21 03": 2, "2026-11-21 04": 2}
    assert result["top_messages"][0] == {
        "count": 2,
        "message": "INFO app: request # took # ms",
    }
    assert result["last_errors"] == [LOG.splitlines()[2]]


def test_a_pattern_gives_percentiles_of_what_it_finds(tmp_path: Path) -> None:
    path = write(tmp_path / "app.log", LOG)
    found = digest_file(path, pattern=r"took (\d+) ms")["pattern"]
    assert (found["count"], found["min"], found["p50"], found["max"]) == (
        3,
        10,
        20,
        900,
    )


@pytest.mark.parametrize(
    ("line", "level", "hour"),
    [
        ("2026-11-21T03:10:00Z WARN x", "WARNING", "2026-11-21 03"),
        ('1.2.3.4 - - [21/Nov/2026:03:10:00 +0000] "GET /"', "", "2026-11-21 03"),
        ("Nov  1 03:10:00 host sshd: error in words", "", "Nov  1 03"),
        ("[core:error] [pid 1] AH1", "ERROR", ""),
        ('{"level":"fatal","msg":"x"}', "CRITICAL", ""),
        ("the INFORMATION desk", "", ""),
    ],
)
def test_usual_logs_are_understood(line: str, level: str, hour: str) -> None:
    assert (_log.level_of(line), _log.hour_of(line)) == (level, hour)


def test_a_csv_is_counted_by_column(tmp_path: Path) -> None:
    result = digest_file(write(tmp_path / "a.csv", CSV))
    assert (result["kind"], result["rows"], result["delimiter"]) == ("csv", 4, "comma")
    amount = column(result, "amount")
    assert (amount["count"], amount["empty"], amount["numbers"]) == (3, 1, 2)
    assert (amount["min"], amount["mean"], amount["max"]) == (10, 15, 20)
    assert column(result, "city")["top"][0] == {"value": "Oslo", "count": 2}


@pytest.mark.parametrize("chosen", ["amount", "2"])
def test_one_column_can_be_chosen(tmp_path: Path, chosen: str) -> None:
    result = digest_file(write(tmp_path / "a.csv", CSV), column=chosen)
    assert [c["name"] for c in result["columns"]] == ["amount"]


def test_an_unknown_column_is_answered_with_the_names(tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match="columns are: name, amount, city"):
        digest_file(write(tmp_path / "a.csv", CSV), column="price")


def test_other_delimiters_quotes_and_missing_headers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '1;"a;\nb"\n2;c\n')
    result = digest_file(path, header=False)
    assert (result["delimiter"], result["rows"]) == ("semicolon", 2)
    assert column(result, "2")["top"][0]["value"] == r"a;\nb"


def test_gzip_and_utf16_are_read(tmp_path: Path) -> None:
    zipped = tmp_path / "a.csv.gz"
    zipped.write_bytes(gzip.compress(CSV.encode()))
    assert digest_file(zipped)["rows"] == 4
    wide = tmp_path / "wide.csv"
    wide.write_text(CSV, encoding="utf-16")
    assert digest_file(wide)["rows"] == 4


def test_bytes_that_are_not_utf8_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "latin.log"
    path.write_bytes("INFO Grüße\n".encode("latin-1"))
    assert digest_file(path)["lines_not_in_encoding"] == 1


def test_a_gzip_that_was_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.log.gz"
    lines = "".join(f"line {os.urandom(20).hex()}\n" for _ in range(60_000))
    path.write_bytes(gzip.compress(lines.encode())[:-2_000])
    with pytest.raises(TaskFailed, match=r"breaks off after [\d,]+ lines"):
        digest_file(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty"),
        ('a,b\n1,"2\n' + "x\n" * 100_000, "is a quote left open"),
        ("a,b\nsome text\nmore text\n", "2 of its 2 rows have another number"),
        ("a,b\n" + "x" * 2_000_000, "the row at line 2 has over 1,048,576 characters"),
        ("a,b\n" + '"\n",' * 1_500_000, "characters"),
    ],
)
def test_what_is_no_csv_says_why(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(TaskFailed, match=said):
        digest_file(write(tmp_path / "a.csv", content))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"\x89PNG\x00\x00")
    with pytest.raises(TaskFailed, match="is not text"):
        digest_file(path)


def test_folders_pipes_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match="is a folder"):
        digest_file(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TaskFailed, match="name a regular file"):
        digest_file(tmp_path / "pipe")
    with pytest.raises(TaskFailed, match="There is no"):
        digest_file(tmp_path / "gone")


def test_a_wrong_pattern_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match="no regular expression: missing"):
        digest_file(write(tmp_path / "a.log", LOG), pattern="(")


def test_the_result_stays_small(tmp_path: Path) -> None:
    names = [f"{'n' * 300}{n}" for n in range(60)]
    rows = "".join(",".join(["“" * 300 + f"{r}"] * 60) + "\n" for r in range(60))
    path = write(tmp_path / "a.csv", ",".join(names) + "\n" + rows)
    result = digest_file(path, top=50)
    assert len(json.dumps(result)) < 64_000
    assert result["columns_left_out"] == 60 - len(result["columns"])


@pytest.mark.parametrize(
    "line", ["2026-11-21 03:10:00 INFO {} took {} ms\n", "{}" + "x" * 20_000_000 + "{}"]
)
def test_memory_does_not_grow_with_a_log(tmp_path: Path, line: str) -> None:
    path = tmp_path / "large.log"
    with path.open("w") as file:
        while file.tell() < 40_000_000:
            file.writelines(
                line.format(os.urandom(40).hex(), n)
                for n in range(1 if len(line) > 999 else 10_000)
            )
    grown = growth_in_mb(
        "from tasks.builtin.digest import digest_file",
        f"digest_file({str(path)!r}, pattern='took (.*) ms')",
    )
    assert grown < 40


def test_memory_does_not_grow_with_a_csv_nor_its_different_values(
    tmp_path: Path,
) -> None:
    path = tmp_path / "large.csv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write("id,filler\n")
        filler = "x" * 2_000
        for start in range(0, 110_000, 1_000):
            file.writelines(f"{n},{filler}\n" for n in range(start, start + 1_000))
    grown = growth_in_mb(
        "from tasks.builtin.digest import digest_file",
        f"assert digest_file({str(path)!r})['rows'] == 110_000",
    )
    assert grown < 40
