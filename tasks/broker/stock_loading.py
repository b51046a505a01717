"""Having things loaded by a child process: see `stock_child`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tasks.conf import PROJECT_ROOT
from tasks.text import gettext as _

#: Seconds that one child may take; another goes on with what it did not get to.
LOADED_WITHIN = 60.0

#: Items that are given to one child; and children that may say nothing, one after another.
AT_ONCE, MOST_IN_VAIN = 500, 3

Answer = dict[str, Any]


def load_entries(
    items: Sequence[Answer], *, within: float = LOADED_WITHIN
) -> list[Answer]:
    """Return the answer to each item; one that ends its child is answered for it."""
    answers: list[Answer] = []
    in_vain = 0
    while len(answers) < len(items):
        portion = items[len(answers) : len(answers) + AT_ONCE]
        said, end = _ask("entries", portion, within)
        answers += said
        if end:
            answers.append({"error": end})
        in_vain = 0 if said else in_vain + 1
        if in_vain == MOST_IN_VAIN:  # it is not the entries: no child comes up
            answers += [{"error": end}] * (len(items) - len(answers))
    return answers


def load_cron_config(path: str, *, within: float = LOADED_WITHIN) -> list[Answer]:
    """Return the jobs that a configuration of rq's cron registers."""
    said, end = _ask("cron", [{"path": path}], within)
    return [*said, {"error": end}] if end else said


def _ask(kind: str, items: Sequence[Answer], within: float) -> tuple[list[Answer], str]:
    """Return what a child answered, and why it ended before its time, if it did."""
    folders = [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tasks.broker.stock_child", kind],
            input=json.dumps(list(items)).encode(),
            capture_output=True,
            timeout=within,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders))},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        late = _("it took longer than %(seconds)s s") % {"seconds": f"{within:g}"}
        return _lines(error.stdout or b""), late
    said = _lines(done.stdout)
    is_whole = done.returncode == 0 and (kind == "cron" or len(said) == len(items))
    return said, "" if is_whole else _last_words(done)


def _lines(output: bytes) -> list[Answer]:
    """Return the answers that are whole."""
    whole = output.rpartition(b"\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def _last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    facts = {"code": done.returncode, "words": said[-1][:200] if said else "-"}
    text = _("it ended the process that read it (exit code %(code)s): %(words)s")
    return text % facts
