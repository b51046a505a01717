"""What a task logs goes into its job's log too."""

from __future__ import annotations

import io
import logging

from tasks.worker.context import current_job


class JobLogHandler(logging.Handler):
    """Passes records on to the job that runs in the context they come from."""

    def emit(self, record: logging.LogRecord) -> None:
        job = current_job()
        if not job.id:
            return
        try:
            for line in self.format(record).splitlines():
                job.log(line)
        except Exception:
            self.handleError(record)


class _JobFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        plain = record.levelno < logging.WARNING
        return text if plain else f"{record.levelname} {text}"


def capture_logging() -> None:
    """Have every logger of this process pass on what it logs within a job."""
    handler = JobLogHandler()
    handler.setFormatter(_JobFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    if root.level > logging.INFO or root.level == logging.NOTSET:
        root.setLevel(logging.INFO)


class PrintCapture(io.TextIOBase):
    """Stands in for standard output in a child: lines go to the job's log as well."""

    def __init__(self, stream: io.TextIOBase) -> None:
        self._stream = stream
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._line += text
        *lines, self._line = self._line.split("\n")
        for line in lines:
            current_job().log(line)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()
