"""The same measurement on each database, each in a process that Django is set up in."""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from benchmarks import harness, report

T = TypeVar("T")

LEDGERS = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ledgers", type=report.names, default=[*LEDGERS], help=",".join(LEDGERS)
    )


def on_each(
    measure: Callable[[Path, argparse.Namespace], T], options: argparse.Namespace
) -> tuple[dict[str, str], dict[str, T]]:
    """Return what a result must be read with, and the results by the ledgers' names."""
    spawn = multiprocessing.get_context("spawn")
    facts: dict[str, str] = {}
    results: dict[str, T] = {}
    for ledger in options.ledgers:
        with ProcessPoolExecutor(1, spawn) as pool:
            facts, found = pool.submit(_measured, measure, ledger, options).result()
        results[LEDGERS[ledger]] = found
    return facts, results


def _measured(
    measure: Callable[[Path, argparse.Namespace], T],
    ledger: str,
    options: argparse.Namespace,
) -> tuple[dict[str, str], T]:
    with harness.workplace(ledger) as data:
        facts = harness.print_facts()
        try:
            return facts, measure(data, options)
        finally:
            # PostgreSQL stops only when nobody is connected.
            from django.db import connections

            connections.close_all()
