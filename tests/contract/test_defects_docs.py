from __future__ import annotations

import re
from pathlib import Path

from tasks.conf import PROJECT_ROOT


def test_the_docs_name_a_test_for_each_defect() -> None:
    text = (PROJECT_ROOT / "docs" / "rq-compatibility.md").read_text()
    files = Path(__file__).parent.glob("test_defects_*.py")
    written = {
        name
        for path in files
        for name in re.findall(r"def (test_d\d\d_\w+)", path.read_text())
    }
    rows = re.findall(r"^\| D(\d+) \|.*\| (`test_.*`) \|$", text, re.MULTILINE)
    assert [int(number) for number, _tests in rows] == list(range(1, 18))
    for number, tests in rows:
        named = re.findall(r"`(\w+)`", tests)
        assert set(named) <= written
        assert all(name.startswith(f"test_d{int(number):02}_") for name in named)
