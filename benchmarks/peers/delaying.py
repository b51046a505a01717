"""Delays jobs by a queue's own client, in a process of its virtual environment.

    python -m benchmarks.peers.delaying MODULE

Each line of the input is JSON: a queue, the jobs' numbers, and when they are due (Unix
seconds). Each is answered with an empty line.
"""

from __future__ import annotations

import importlib
import json
import sys


def main() -> None:
    delay = importlib.import_module(sys.argv[1]).delay
    for line in sys.stdin:
        delay(*json.loads(line))
        print(flush=True)


if __name__ == "__main__":
    main()
