"""Draws docs/throughput.svg and docs/latency.svg from the kept results.

    python -m benchmarks.plot

The drawings have no background and colours that can be read on white and on black.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.tables import DOCUMENT, RESULTS

#: What all is drawn on, and the colours: each has contrast with white and with black.
INK, OURS, OTHERS = "#7d8590", "#2f81f7", "#8a8f98"
COLOURS = ("#d9822b", "#2da44e", "#e5534b", "#a371f7", "#1b9e9e", "#db61a2", "#b08800")

#: How the names of Taskyard's variants begin.
TASKYARD = "taskyard"


def main() -> None:
    mpl.rcParams.update(
        {
            "svg.fonttype": "none",  # text stays text
            "svg.hashsalt": "taskyard",  # the same drawing is the same file
            "font.family": "sans-serif",
            "text.color": INK,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    draw_throughput(_results("throughput")["drains"])
    draw_latency(_results("latency")["rounds"])


def _results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def draw_throughput(drains: list[dict[str, Any]]) -> None:
    """Draw a bar for every queue and number of processes, the fastest on top."""
    rates: dict[str, list[float]] = {}
    for drain in drains:
        name = f"{drain['peer']}, {drain['processes']} proc."
        rates.setdefault(name, []).append(drain["rate"])
    bars = sorted(rates.items(), key=lambda item: statistics.median(item[1]))
    axes = _axes(
        "jobs per second: no-op jobs, median and range of rounds", len(bars) / 4
    )
    for name, found in bars:
        median = statistics.median(found)
        reach = [[median - min(found)], [max(found) - median]]
        axes.barh(name, median, xerr=reach, color=_colour(name), ecolor=INK, height=0.7)
        place = (max(found), name)
        axes.annotate(f"  {median:,.0f}", place, va="center", fontsize="small")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.1)
    _save(axes, "throughput")


def draw_latency(rounds: list[dict[str, Any]]) -> None:
    """Draw what share of the jobs had started after how long, on an idle worker."""
    axes = _axes("share of jobs started, % (idle worker, 50 jobs/s)", 4.2)
    colours = itertools.cycle(COLOURS)
    for name, percentiles in _distributions(rounds):
        is_ours = name.startswith(TASKYARD)
        axes.plot(
            percentiles,
            range(101),
            "--" if name != TASKYARD and is_ours else "-",
            color=OURS if is_ours else next(colours),
            linewidth=2.4 if is_ours else 1.4,
            label=name,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("milliseconds from the push to the function's first line")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    _save(axes, "latency")


def _distributions(rounds: list[dict[str, Any]]) -> Iterator[tuple[str, list[float]]]:
    """Yield each variant's percentiles, the median of its rounds."""
    idle = [each for each in rounds if each["part"] == "idle"]
    for name in dict.fromkeys(each["variant"] for each in idle):
        mine = [each["percentiles"] for each in idle if each["variant"] == name]
        yield name, [statistics.median(column) for column in zip(*mine, strict=True)]


def _colour(name: str) -> str:
    return OURS if name.startswith(TASKYARD) else OTHERS


def _axes(title: str, height: float) -> Axes:
    _figure, axes = pyplot.subplots(figsize=(8, max(2, height)), layout="constrained")
    axes.set_title(title, fontsize="medium", loc="left")
    axes.grid(visible=True, axis="x", color=INK, alpha=0.25)
    axes.set_axisbelow(True)
    return axes


def _save(axes: Axes, name: str) -> None:
    path = DOCUMENT.with_name(f"{name}.svg")
    figure = axes.get_figure()
    figure.savefig(path, transparent=True, metadata={"Date": None})
    print(path)


if __name__ == "__main__":
    main()
