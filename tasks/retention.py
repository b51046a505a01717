"""What the ledger keeps only for a time."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from tasks.conf import get_config
from tasks.models import Recovery

logger = logging.getLogger(__name__)

#: Rows that one round removes, so that none holds up the scheduler's other chores.
AT_ONCE = 500


def prune_recoveries() -> int:
    """Remove the oldest losses of workers that are kept no more; returns how many."""
    kept_for = timedelta(days=get_config().taskyard_recovery_days)
    over = Recovery.objects.noticed_before(timezone.now() - kept_for)
    oldest = list(over.order_by("noticed_at").values_list("pk", flat=True)[:AT_ONCE])
    # Asked again: a worker may have been lost once more meanwhile.
    removed, _by_model = over.filter(pk__in=oldest).delete() if oldest else (0, {})
    if removed:
        logger.info("%s losses of workers were removed", removed)
    return removed
