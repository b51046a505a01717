"""How requests that were not allowed are logged."""

from __future__ import annotations

import logging

from django.core.exceptions import PermissionDenied


class ShortRefusals(logging.Filter):
    """Logs them in one line: their traceback tells of no fault."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], PermissionDenied):
            record.exc_info = None
        return True
