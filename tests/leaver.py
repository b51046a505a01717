"""A module that leaves as a script would when it is imported."""

from __future__ import annotations

import sys

sys.exit(3)
