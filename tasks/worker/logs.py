"""What a task logs goes into its job's log too."""

from __future__ import annotations

import io
import logging

from tasks.worker.context import LOG_LINE_LIMIT, current_job


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
    """Stands in for standard output in a child: what a task prints goes to its log."""

    def __init__(self, stream: io.TextIOBase) -> None:
        self.stream = stream
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        job = current_job()
        if not job.id:
            return self.stream.write(text)
        job.count(text)
        for part in text.splitlines(keepends=True):
            self._line += part[:LOG_LINE_LIMIT]
            if part.endswith("\n") or len(self._line) >= LOG_LINE_LIMIT:
                self.end_line()
        return len(text)

    def end_line(self) -> None:
        """Pass on a line that was begun."""
        line, self._line = self._line.rstrip("\n"), ""
        if line:
            current_job().add_line(line)

    def flush(self) -> None:
        self.stream.flush()
