from __future__ import annotations

import re

from tasks.conf import PROJECT_ROOT
from tasks.states import TRANSITIONS


def test_the_docs_show_the_table_of_transitions() -> None:
    text = (PROJECT_ROOT / "docs" / "life-of-a-job.md").read_text()
    rows = dict(re.findall(r"^\| (\w+) \| ([\w, ]+) \|$", text, re.MULTILINE))
    assert rows.pop("from") == "may become"
    assert rows == {
        str(old): ", ".join(sorted(new)) for old, new in TRANSITIONS.items()
    }
