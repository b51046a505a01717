"""A process that loads what a client's own code must load: pickled entries of
rq-scheduler, and the configuration files of rq's cron.

`python -m tasks.broker.stock_child entries|cron` reads a JSON list on its standard input
and answers each item by lines of JSON on its standard output. Either may run any code, so
neither is done in a process that does anything else.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rq.cron import CronJob, CronScheduler

from tasks.broker.pickled import load_call
from tasks.broker.wire import PayloadUnreadable, ResultUnusable, encode_result
from tasks.process import die_with_parent, see_working_folder
from tasks.text import gettext as _

Answer = dict[str, Any]

#: What rq-scheduler keeps in a job's meta.
META = ("interval", "repeat", "cron_string")


def main() -> None:
    """Answer until the input ends; what is printed meanwhile goes to standard error."""
    die_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    see_working_folder()
    if "DJANGO_SETTINGS_MODULE" in os.environ:
        import django  # what is pickled may need it, and may not

        django.setup()
    read: Callable[[Answer], Iterator[Answer]] = _READERS[sys.argv[1]]
    for item in json.load(sys.stdin):
        for answer in read(item):
            answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


def _read_entry(item: Answer) -> Iterator[Answer]:
    """Answer with one entry's call and meta, as JSON can hold them."""
    try:
        call = load_call(base64.b64decode(item["data"]))
        meta = pickle.loads(base64.b64decode(item["meta"]))  # noqa: S301 - see above
        if call.instance is not None:
            yield {"method": call.path}
            return
        read = {
            "path": call.path,
            "args": list(call.args),
            "kwargs": dict(call.kwargs),
            "meta": {name: meta[name] for name in META if name in meta},
        }
        yield json.loads(encode_result(read))
    except ResultUnusable:
        yield {"error": _("JSON cannot hold its arguments: make it by hand")}
    except PayloadUnreadable as error:
        yield {"error": str(error)}
    except Exception as error:  # unpickling runs any code, which raises anything
        yield {"error": f"{type(error).__name__}: {error}"}


class _Collector(CronScheduler):
    """Notes what a configuration registers, also where rq would only log a mistake."""

    def __init__(self) -> None:
        super().__init__(connection=None)  # type: ignore[arg-type]
        self.found: list[Answer] = []

    def register(self, *_args: Any, **options: Any) -> CronJob:
        try:
            job = CronJob(**options)
        except Exception as error:
            func = options.get("func")
            name = options.get("name") or getattr(func, "__name__", str(func))
            self.found.append({"name": name, "error": str(error)})
            raise
        self.found.append(job.to_dict())
        return job


def _read_config(item: Answer) -> Iterator[Answer]:
    """Answer with each job of a configuration: a module, or a file by its full path."""
    collector = _Collector()
    try:
        collector.load_config_from_file(item["path"])
    except Exception as error:
        yield {"error": str(error)}
        return
    yield from collector.found


_READERS: dict[str, Callable[[Answer], Iterator[Answer]]] = {
    "entries": _read_entry,
    "cron": _read_config,
}


if __name__ == "__main__":
    main()
